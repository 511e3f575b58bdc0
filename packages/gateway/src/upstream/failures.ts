import type { Connection } from '../domain.ts'
import { GatewayError } from '../errors.ts'

/** The upstream answered 401: nothing was executed, and the credential may have to be renewed. */
export class CredentialRefused extends Error {
  constructor() {
    super('the upstream refused the credential')
    this.name = 'CredentialRefused'
  }
}

/** A session of the 2025 era is gone (404): nothing was executed. */
export class SessionLost extends Error {
  constructor() {
    super('the upstream does not know the session any more')
    this.name = 'SessionLost'
  }
}

/** Messages name the connection and what happened, and repeat nothing of what the upstream sent (security T41). */
export function unavailable({ name }: Connection, what: string, cause?: unknown): GatewayError {
  return new GatewayError('upstream_unavailable', `The connection "${name}" ${what}.`, { cause })
}

export function invalidUpstream({ name }: Connection, what: string, cause?: unknown): GatewayError {
  return new GatewayError('upstream_invalid', `The connection "${name}" ${what}.`, { cause })
}
