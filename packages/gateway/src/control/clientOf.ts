import { decodeJwt } from 'jose'
import type { Context } from 'hono'
import { GatewayError } from '../errors.ts'

/** Notes which API client a request comes from. */
export function setClientOf(context: Context, clientId: string): void {
  context.set('clientId', clientId)
}

/** Until when the access token is good, in milliseconds since the epoch. Of a token that was just verified. */
export function setTokenEndOf(context: Context, token: string): void {
  context.set('tokenEndsAt', (decodeJwt(token).exp ?? 0) * 1_000)
}

/** When the access token that came with the request ends, in milliseconds since the epoch. */
export function tokenEndOf(context: Context): number {
  const endsAt: unknown = context.get('tokenEndsAt')
  return typeof endsAt === 'number' ? endsAt : 0
}

/** The API client whose access token came with the request. */
export function clientOf(context: Context): string {
  const clientId: unknown = context.get('clientId')
  if (typeof clientId === 'string') return clientId
  throw new GatewayError('internal', 'A request was answered that nobody had authenticated.')
}
