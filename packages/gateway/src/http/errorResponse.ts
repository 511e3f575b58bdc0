import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { GatewayError, type GatewayErrorCode } from '../errors.ts'

/** One HTTP status and one wire code (`google.rpc.Code`, as the hosted service names them) for each of our codes. */
const ANSWERS: Record<GatewayErrorCode, readonly [ContentfulStatusCode, string]> = {
  invalid_request: [400, 'INVALID_ARGUMENT'],
  precondition: [400, 'FAILED_PRECONDITION'],
  consent_required: [400, 'FAILED_PRECONDITION'],
  unauthorized: [401, 'UNAUTHENTICATED'],
  forbidden: [403, 'PERMISSION_DENIED'],
  not_found: [404, 'NOT_FOUND'],
  conflict: [409, 'ALREADY_EXISTS'],
  method_not_allowed: [405, 'UNIMPLEMENTED'],
  in_progress: [409, 'ABORTED'],
  key_reused: [422, 'INVALID_ARGUMENT'],
  too_large: [413, 'OUT_OF_RANGE'],
  upstream_unavailable: [502, 'UNAVAILABLE'],
  upstream_invalid: [502, 'UNAVAILABLE'],
  rate_limited: [429, 'RESOURCE_EXHAUSTED'],
  unavailable: [503, 'UNAVAILABLE'],
  configuration: [500, 'INTERNAL'],
  internal: [500, 'INTERNAL'],
}

/** The control plane's error shape `{code, message, details}`. What is not ours is never told: it may hold anything. */
export function errorResponse(context: Context, error: unknown): Response {
  const known =
    error instanceof GatewayError ? error : new GatewayError('internal', 'Something went wrong in the gateway.')
  const [status, code] = ANSWERS[known.code]
  if (known.retryAfterSeconds !== undefined) context.header('Retry-After', String(known.retryAfterSeconds))
  return context.json({ code, message: known.message, details: [{ error_code: known.code }] }, status)
}
