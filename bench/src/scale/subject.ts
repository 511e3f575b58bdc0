import { createGateway, type GatewayOptions } from '@latchkey/gateway'
import { randomBytes } from 'node:crypto'

const CONFIG = 'reader'

/** What is asked of a gateway, as its callers ask it. Each gives how long it took, in milliseconds. */
export interface Subject extends AsyncDisposable {
  /** For a user who has an instance. */
  ensure(user: string): Promise<number>
  /** For a user who is new. */
  ensureNew(user: string): Promise<number>
  authState(user: string): Promise<number>
  /** A message to the user's URL that the gateway answers without an upstream. */
  lookup(user: string): Promise<number>
}

const PUBLIC_URL = 'http://127.0.0.1:8787'

/** Where the state is, and how to put many rows there. */
export interface Place {
  readonly database: string
  readonly fill: () => Promise<void>
}

const key = (): string => `k1:${randomBytes(32).toString('base64url')}`

/** A gateway on a database with as many users as the place puts there. Requests are handed to it, without a network. */
export async function openSubject({ database, fill }: Place): Promise<Subject> {
  const client = { clientId: 'bench', clientSecret: key() }
  const options: GatewayOptions = {
    publicUrl: PUBLIC_URL,
    database,
    encryptionKeys: key(),
    signingKeys: key(),
    clients: [client],
    connections: { search: { mcpServerUrl: 'http://127.0.0.1:9/mcp', auth: { type: 'api_key', header: 'X-Api-Key' } } },
    configs: { [CONFIG]: { search: '*' } },
  }
  // It makes the tables; then the rows come; then it is started as anybody would start it.
  await (await createGateway(options)).close()
  await fill()
  const gateway = await createGateway(options)
  const send = async (url: string, init: RequestInit) => await timed(gateway, url, init)
  const token = await send('/oauth/token', {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: client.clientId,
      client_secret: client.clientSecret,
    }),
  })
  const headers = { authorization: `Bearer ${token.body['access_token']}`, 'content-type': 'application/json' }
  const known = new Map<string, { id: string; url: string }>()

  async function ensure(user: string): Promise<number> {
    const body = JSON.stringify({ config_name: CONFIG, user_identifier: user })
    const { ms, body: answer } = await send('/api/v1/mcp/instances', { method: 'POST', headers, body })
    known.set(user, answer['instance'])
    return ms
  }
  return {
    ensure,
    ensureNew: ensure,
    async authState(user) {
      const path = `/api/v1/mcp/instances/${known.get(user)?.id}:get_auth_state`
      const { ms, body } = await send(path, { method: 'POST', headers, body: '{}' })
      if (body['connections'][0].connected_account_status !== 'ACTIVE')
        throw new Error(`The account is not there: ${JSON.stringify(body)}`)
      return ms
    },
    async lookup(user) {
      const { pathname } = new URL(known.get(user)?.url ?? '')
      const { ms } = await send(pathname, { method: 'POST', headers: MCP_HEADERS, body: PING })
      return ms
    },
    [Symbol.asyncDispose]: async () => await gateway.close(),
  }
}

const MCP_HEADERS = {
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  'mcp-protocol-version': '2025-06-18',
}
const PING = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' })

interface Timed {
  readonly ms: number
  // oxlint-disable-next-line typescript/no-explicit-any -- the answer of our own gateway, which throws where it is another
  readonly body: Record<string, any>
}

async function timed(
  { fetch }: { fetch: (request: Request) => Promise<Response> },
  path: string,
  init: RequestInit,
): Promise<Timed> {
  const headers = new Headers(init.headers)
  headers.set('host', new URL(PUBLIC_URL).host)
  const request = new Request(`${PUBLIC_URL}${path}`, { ...init, headers })
  const started = performance.now()
  const response = await fetch(request)
  const text = await response.text()
  const ms = performance.now() - started
  if (!response.ok) throw new Error(`${path.replace(/lkurl_.*/, '…')} was answered ${response.status}: ${text}`)
  return { ms, body: JSON.parse(text) }
}
