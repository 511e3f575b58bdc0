import type { Context } from 'hono'
import { GatewayError } from '../errors.ts'

/** Notes which API client a request comes from. */
export function setClientOf(context: Context, clientId: string): void {
  context.set('clientId', clientId)
}

/** The API client whose access token came with the request. */
export function clientOf(context: Context): string {
  const clientId: unknown = context.get('clientId')
  if (typeof clientId === 'string') return clientId
  throw new GatewayError('internal', 'A request was answered that nobody had authenticated.')
}
