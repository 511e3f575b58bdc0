import * as oauth from 'oauth4webapi'
import type { Connection } from '../domain.ts'
import { GatewayError } from '../errors.ts'

/** What went wrong with a request of the flow, as far as it decides what to do next. */
export type ProtocolFailure =
  | { readonly kind: 'refused'; readonly error: string }
  | { readonly kind: 'transient' }
  | { readonly kind: 'invalid' }

const TRANSIENT_ERRORS = new Set(['temporarily_unavailable', 'server_error', 'slow_down'])

/** Tells "the server said no" from "it failed for the moment" and from "it answers nonsense". Keeps none of its text. */
export function classifyFailure(error: unknown): ProtocolFailure {
  if (error instanceof oauth.ResponseBodyError) {
    if (error.status === 429 || TRANSIENT_ERRORS.has(error.error)) return { kind: 'transient' }
    return { kind: 'refused', error: error.error }
  }
  // A 401 with a challenge is how RFC 6749 section 5.2 has a server say `invalid_client`.
  if (error instanceof oauth.WWWAuthenticateChallengeError) return { kind: 'refused', error: 'invalid_client' }
  if (error instanceof GatewayError) return { kind: error.code === 'upstream_unavailable' ? 'transient' : 'invalid' }
  if (error instanceof DOMException) return { kind: 'transient' }
  const cause = error instanceof Error ? error.cause : undefined
  if (cause instanceof Response) return { kind: isTransientStatus(cause.status) ? 'transient' : 'invalid' }
  if (cause instanceof GatewayError || cause instanceof DOMException) return classifyFailure(cause)
  return { kind: 'invalid' }
}

export function isTransientStatus(status: number): boolean {
  return status >= 500 || status === 429 || status === 408
}

/** The error for a failure that has no better name. The cause is dropped on purpose: it holds the server's own text. */
export function failureOf(connection: Connection, failure: ProtocolFailure, during: string): GatewayError {
  return failure.kind === 'transient'
    ? new GatewayError('upstream_unavailable', `${connection.displayName} did not answer ${during}. Try again later.`)
    : new GatewayError('upstream_invalid', `${connection.displayName} gave an answer that cannot be used ${during}.`)
}
