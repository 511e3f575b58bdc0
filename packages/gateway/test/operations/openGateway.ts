import { accessTokenResponseSchema } from '@latchkey/core/wire'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { GatewayOptions } from '../../src/config/gatewayOptions.ts'
import { createGateway } from '../../src/gateway.ts'
import type { LogRecord } from '../../src/http/requestLog.ts'

export const ORIGIN = 'https://gateway.example'
const CLIENT_SECRET = 'canary-client-secret'

const KEY = `k1:${Buffer.alloc(32, 7).toString('base64url')}`

const OPTIONS = {
  publicUrl: ORIGIN,
  userVerification: 'off',
  clients: [
    { clientId: 'app', clientSecret: CLIENT_SECRET },
    { clientId: 'other', clientSecret: 'another-secret' },
  ],
  connections: {
    search: { mcpServerUrl: 'https://search.example/mcp', auth: { type: 'api_key', header: 'X-Api-Key' } },
    docs: { mcpServerUrl: 'https://docs.example/mcp', auth: { type: 'none' } },
  },
  configs: { finder: { search: '*' }, reader: { docs: '*' } },
  encryptionKeys: KEY,
  signingKeys: KEY,
} satisfies GatewayOptions

export interface Call {
  readonly method?: string
  readonly headers?: Record<string, string>
  /** An object is sent as JSON. */
  readonly body?: unknown
  /** The address of the peer. Default: 192.0.2.1. */
  readonly from?: string | undefined
}

/** A whole gateway on a public URL, without a socket, and what it has logged. */
export async function openGateway(options: Partial<GatewayOptions> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-operations-'))
  const path = join(folder, 'latchkey.db')
  const log: LogRecord[] = []
  const given = {
    ...OPTIONS,
    database: `sqlite:${path}`,
    log: (record: LogRecord) => void log.push(record),
    ...options,
  }
  const gateway = await createGateway(given)
  const origin = typeof given.publicUrl === 'string' ? given.publicUrl : ORIGIN

  async function call(target: string, { method = 'GET', headers = {}, body, from = '192.0.2.1' }: Call = {}) {
    const isText = typeof body === 'string' || body === undefined
    const request = new Request(new URL(target, origin), {
      method,
      headers: { host: new URL(origin).host, ...(isText ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: isText ? body : JSON.stringify(body) }),
    })
    const response = await gateway.fetch(request, { incoming: { socket: { remoteAddress: from } } })
    return response
  }

  const token = async (secret = CLIENT_SECRET, from?: string) =>
    await call('/oauth/token', {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: `grant_type=client_credentials&client_id=app&client_secret=${secret}`,
      from,
    })

  return {
    gateway,
    log,
    call,
    token,
    /** Gets a token of the app and calls the control plane with it. */
    asApp: async () => {
      const { access_token: accessToken } = accessTokenResponseSchema.parse(await (await token()).json())
      return async (method: string, target: string, body?: unknown, headers: Record<string, string> = {}) =>
        await call(target, { method, body, headers: { authorization: `Bearer ${accessToken}`, ...headers } })
    },
    /** Does something to the database behind the gateway's back. */
    sql: (statement: string) => {
      const database = new DatabaseSync(path)
      const rows = database.prepare(statement).all()
      database.close()
      return rows
    },
    close: async () => {
      await gateway.close()
      await rm(folder, { recursive: true })
    },
  }
}

export type OpenGateway = Awaited<ReturnType<typeof openGateway>>
