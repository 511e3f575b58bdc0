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
export async function classifyFailure(error: unknown): Promise<ProtocolFailure> {
  if (error instanceof oauth.ResponseBodyError) return refusal(error.status, error.error)
  // The protocol library looks at a challenge first. What it is about is in the body, and only there: a proxy before the
  // server challenges too, and knows nothing of clients (RFC 6749 section 5.2).
  if (error instanceof oauth.WWWAuthenticateChallengeError) {
    return refusal(error.status, errorIn(await readJson(error.response)))
  }
  if (error instanceof GatewayError) return { kind: error.code === 'upstream_unavailable' ? 'transient' : 'invalid' }
  if (error instanceof DOMException) return { kind: 'transient' }
  const cause = error instanceof Error ? error.cause : undefined
  if (cause instanceof Response) return { kind: isTransientStatus(cause.status) ? 'transient' : 'invalid' }
  if (cause instanceof GatewayError || cause instanceof DOMException) return classifyFailure(cause)
  // Some servers refuse with status 200 (GitHub, Slack).
  return refusal(200, errorIn(typeof cause === 'object' && cause !== null && 'body' in cause ? cause.body : undefined))
}

function refusal(status: number, error: string | undefined): ProtocolFailure {
  if (isTransientStatus(status) || (error !== undefined && TRANSIENT_ERRORS.has(error))) return { kind: 'transient' }
  return error === undefined ? { kind: 'invalid' } : { kind: 'refused', error }
}

function errorIn(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null || 'access_token' in body || !('error' in body)) return undefined
  return typeof body.error === 'string' && body.error !== '' ? body.error : undefined
}

async function readJson(response: Response): Promise<unknown> {
  return await response.json().catch(() => undefined)
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
