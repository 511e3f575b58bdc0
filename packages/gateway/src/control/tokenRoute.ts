import { createHash, timingSafeEqual } from 'node:crypto'
import type { Context, Handler } from 'hono'
import type { ApiClient } from '../domain.ts'
import { actAs } from '../requestScope.ts'
import type { Keys } from '../services.ts'

export interface TokenRouteOptions {
  readonly keys: Pick<Keys, 'signAccessToken'>
  readonly clients: readonly ApiClient[]
}

/** `POST /oauth/token`: the client credentials grant (RFC 6749 section 4.4). */
export function tokenRoute({ keys, clients }: TokenRouteOptions): Handler {
  return async (context) => {
    context.header('Cache-Control', 'no-store')
    const form = await readForm(context)
    if (form === undefined) return refuse(context, 'invalid_request', 'The body must be a form with each field once.')
    const presented = readCredentials(context, form)
    if (presented === undefined) {
      return refuse(context, 'invalid_request', 'Give the client credentials either in the form or as Basic, and once.')
    }
    const clientId = authenticated(clients, presented)
    if (clientId === undefined) return refuse(context, 'invalid_client', 'The client id or the client secret is wrong.')
    if (form.get('grant_type') !== 'client_credentials') {
      return refuse(context, 'unsupported_grant_type', 'The grant type must be client_credentials.')
    }
    actAs(clientId)
    const { token, expiresInSeconds } = await keys.signAccessToken(clientId)
    return context.json({ access_token: token.reveal(), token_type: 'Bearer', expires_in: expiresInSeconds })
  }
}

interface Credentials {
  readonly clientId: string
  readonly clientSecret: string
}

async function readForm(context: Context): Promise<URLSearchParams | undefined> {
  const type = context.req.header('Content-Type') ?? ''
  if (!/^application\/x-www-form-urlencoded *(?:;|$)/i.test(type)) return undefined
  const form = new URLSearchParams(await context.req.text())
  return new Set(form.keys()).size === form.size ? form : undefined
}

/** RFC 6749 section 2.3: one way of authenticating, not two. */
function readCredentials(context: Context, form: URLSearchParams): Credentials | undefined {
  const header = context.req.header('Authorization')
  if (header !== undefined) return form.has('client_secret') ? undefined : readBasic(header)
  return { clientId: form.get('client_id') ?? '', clientSecret: form.get('client_secret') ?? '' }
}

/** RFC 6749 section 2.3.1: both parts are form-encoded before they are joined. */
function readBasic(header: string): Credentials | undefined {
  const [, encoded] = /^Basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(header) ?? []
  if (encoded === undefined) return undefined
  const [, clientId, clientSecret] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString('utf8')) ?? []
  if (clientId === undefined || clientSecret === undefined) return undefined
  return { clientId: formDecode(clientId), clientSecret: formDecode(clientSecret) }
}

function formDecode(value: string): string {
  return new URLSearchParams(`v=${value.replaceAll('&', '%26')}`).get('v') ?? ''
}

/** Takes the same time whichever part is wrong: all clients are looked at, and digests are compared. */
function authenticated(clients: readonly ApiClient[], { clientId, clientSecret }: Credentials): string | undefined {
  const presented = [digest(clientId), digest(clientSecret)] as const
  let found: string | undefined
  for (const client of clients) {
    const isClient = timingSafeEqual(presented[0], digest(client.clientId))
    const isSecret = timingSafeEqual(presented[1], digest(client.clientSecret.reveal()))
    if (isClient && isSecret) found = client.clientId
  }
  return found
}

function digest(value: string): Buffer {
  return createHash('sha256').update(value).digest()
}

type TokenError = 'invalid_request' | 'invalid_client' | 'unsupported_grant_type'

/** The error of RFC 6749 section 5.2, and in the same body that of the control plane. */
function refuse(context: Context, error: TokenError, message: string): Response {
  const isClient = error === 'invalid_client'
  if (isClient) context.header('WWW-Authenticate', 'Basic realm="latchkey"')
  const code = isClient ? 'UNAUTHENTICATED' : 'INVALID_ARGUMENT'
  const body = { error, error_description: message, code, message, details: [{ error_code: error }] }
  return context.json(body, isClient ? 401 : 400)
}
