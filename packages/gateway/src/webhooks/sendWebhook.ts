import type { WebhookAttempt } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { GuardedFetch } from '../services.ts'
import { readRetryAfter } from './retryDelay.ts'
import { sign, type SigningSecret } from './signingSecrets.ts'

export interface WebhookRequest {
  readonly endpointId: string
  readonly url: string
  /** The same at every attempt, so that the receiver can tell a repetition. */
  readonly id: string
  readonly body: string
  readonly secrets: readonly SigningSecret[]
  readonly at: Date
  readonly timeoutMs: number
  /** Ends the attempt. */
  readonly signal: AbortSignal
}

/** `gone`: the receiver wants nothing more. `interrupted`: it was our own fault, and says nothing about the receiver. */
export interface WebhookOutcome {
  readonly kind: 'delivered' | 'refused' | 'gone' | 'interrupted'
  readonly attempt: WebhookAttempt
  readonly retryAfterMs: number | undefined
}

const GONE = 410
/** Nobody reads what the receiver answers. Read it all the same where it is short, so that the socket can be used again. */
const MAX_ANSWER_BYTES = 16 * 1024

/** Sends one signed request (Standard Webhooks) and says how it went. Never throws. */
export async function sendWebhook(fetch: GuardedFetch, request: WebhookRequest): Promise<WebhookOutcome> {
  const started = performance.now()
  const timeout = AbortSignal.timeout(request.timeoutMs)
  const attempt = (responseStatus: number | undefined, error: string | undefined): WebhookAttempt => ({
    at: request.at.getTime(),
    durationMs: Math.round(performance.now() - started),
    responseStatus,
    error,
  })
  try {
    const { status, ok, retryAfter } = await post(fetch, request, AbortSignal.any([timeout, request.signal]))
    const retryAfterMs = readRetryAfter(retryAfter, request.at.getTime())
    if (ok) return { kind: 'delivered', attempt: attempt(status, undefined), retryAfterMs }
    const kind = status === GONE ? 'gone' : 'refused'
    return { kind, attempt: attempt(status, `The receiver answered ${status}.`), retryAfterMs }
  } catch (error) {
    const kind = request.signal.aborted && !timeout.aborted ? 'interrupted' : 'refused'
    return { kind, attempt: attempt(undefined, describe(error, { timeout, request })), retryAfterMs: undefined }
  }
}

async function post(fetch: GuardedFetch, request: WebhookRequest, signal: AbortSignal) {
  const { id, at, body, secrets } = request
  const answer = await fetch.send(request.url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'user-agent': 'latchkey',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
      'webhook-signature': sign(secrets, { id, at, body }),
    },
    body,
    signal,
    maxBytes: MAX_ANSWER_BYTES,
    partition: `webhook ${request.endpointId}`,
  })
  // The status has been said; what becomes of the body changes nothing.
  await answer.text().catch(() => undefined)
  return { status: answer.status, ok: answer.ok, retryAfter: answer.headers['retry-after'] }
}

/** For the delivery log. Messages of the guarded fetch hold no path, no query and no body. */
function describe(error: unknown, { timeout, request }: { timeout: AbortSignal; request: WebhookRequest }): string {
  if (timeout.aborted) return `The receiver did not answer within ${request.timeoutMs / 1000} s.`
  if (request.signal.aborted) return 'The gateway was closing.'
  return error instanceof GatewayError ? error.message : 'The request could not be sent.'
}
