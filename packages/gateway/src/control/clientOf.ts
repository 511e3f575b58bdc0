import type { Context } from 'hono'
import { GatewayError } from '../errors.ts'

interface Env {
  readonly Variables: { clientId?: string }
}

/** Notes which API client a request comes from. */
export function setClientOf(context: Context<Env>, clientId: string): void {
  context.set('clientId', clientId)
}

/** The API client whose access token came with the request. */
export function clientOf(context: Context): string {
  const { clientId } = (context as Context<Env>).var
  if (clientId !== undefined) return clientId
  throw new GatewayError('internal', 'A request was answered that nobody had authenticated.')
}
