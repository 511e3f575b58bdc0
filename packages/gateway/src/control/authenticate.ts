import type { MiddlewareHandler } from 'hono'
import type { ApiClient } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { tooMany } from '../http/requestGate.ts'
import { actAs } from '../requestScope.ts'
import type { Keys, RateLimits } from '../services.ts'
import { setClientOf, setTokenEndOf } from './clientOf.ts'

export interface AuthenticateOptions {
  readonly keys: Pick<Keys, 'verifyAccessToken'>
  readonly clients: readonly ApiClient[]
  /** How often a client may ask. Default: as often as it likes. */
  readonly limits?: RateLimits | undefined
}

/** Lets in who has an access token of a client that is still configured. Every refusal is the same. */
export function authenticate({ keys, clients, limits }: AuthenticateOptions): MiddlewareHandler {
  const known = new Set(clients.map(({ clientId }) => clientId))
  return async (context, next) => {
    context.header('Cache-Control', 'no-store')
    const [, token] = /^Bearer +([^\s]+) *$/i.exec(context.req.header('Authorization') ?? '') ?? []
    const clientId = token && (await keys.verifyAccessToken(token))
    if (token !== undefined && clientId !== undefined && known.has(clientId)) {
      setClientOf(context, clientId)
      setTokenEndOf(context, token)
      actAs(clientId)
      const seconds = await limits?.take('client', clientId)
      if (seconds !== undefined) throw tooMany(seconds)
      return await next()
    }
    context.header('WWW-Authenticate', 'Bearer error="invalid_token"')
    throw new GatewayError('unauthorized', 'The access token is missing, expired or not ours. Get one at /oauth/token.')
  }
}
