/**
 * Why the gateway refused or failed. Stable. Each has one HTTP status (`http/errors.ts`).
 *
 * `invalid_request` 400 · `unauthorized` 401 · `forbidden` 403 · `not_found` 404 · `conflict` 409 · `precondition` 400
 * (the wire's FAILED_PRECONDITION) · `method_not_allowed` 405 · `in_progress` 409 (the same request is being carried out)
 * · `key_reused` 422 (an idempotency key with another body) · `too_large` 413 · `consent_required` (an account must be
 * authorized by its user; not an HTTP answer by itself) · `upstream_unavailable` 502 · `upstream_invalid` 502 ·
 * `rate_limited` 429 (nothing was carried out) · `unavailable` 503 (the gateway itself cannot do it for the moment) ·
 * `configuration` (the process does not start) · `internal` 500
 */
export type GatewayErrorCode =
  | 'invalid_request'
  | 'unauthorized'
  | 'forbidden'
  | 'not_found'
  | 'conflict'
  | 'method_not_allowed'
  | 'in_progress'
  | 'key_reused'
  | 'precondition'
  | 'too_large'
  | 'consent_required'
  | 'upstream_unavailable'
  | 'upstream_invalid'
  | 'rate_limited'
  | 'unavailable'
  | 'configuration'
  | 'internal'

/** The gateway's one error class. The message is shown to callers and people: plain, and never with a secret in it. */
export class GatewayError extends Error {
  readonly code: GatewayErrorCode
  /** After how many seconds it may be tried again, where that is known. */
  readonly retryAfterSeconds: number | undefined

  constructor(
    code: GatewayErrorCode,
    message: string,
    { retryAfterSeconds, ...options }: { cause?: unknown; retryAfterSeconds?: number } = {},
  ) {
    super(message, options)
    this.name = 'GatewayError'
    this.code = code
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** An answer was longer than it may be, once decoded (security T44). */
export class AnswerTooLarge extends GatewayError {
  readonly maxBytes: number

  constructor(host: string, maxBytes: number) {
    super('upstream_invalid', `${host} answered with more than the ${maxBytes} bytes that are allowed.`)
    this.maxBytes = maxBytes
  }
}
