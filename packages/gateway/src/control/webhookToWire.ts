import type { WireWebhook, WireWebhookDelivery } from '@latchkey/core/wire'
import type { WebhookAttempt, WebhookDelivery, WebhookEndpoint } from '../domain.ts'

/** A webhook as the API spells it. Its secret is not in it. */
export function webhookToWire(endpoint: WebhookEndpoint): WireWebhook {
  const { id, url, description, source, disabledReason, failingSince, createdAt, updatedAt } = endpoint
  return {
    id,
    url,
    ...(description !== undefined && { description }),
    source,
    enabled: disabledReason === undefined,
    ...(disabledReason !== undefined && { disabled_reason: disabledReason }),
    ...(failingSince !== undefined && { failing_since: failingSince.toISOString() }),
    created_at: createdAt.toISOString(),
    updated_at: updatedAt.toISOString(),
  }
}

/** A delivery as the API spells it. */
export function deliveryToWire(delivery: WebhookDelivery): WireWebhookDelivery {
  const { nextAttemptAt, attemptLog } = delivery
  const responseStatus = attemptLog.at(-1)?.responseStatus
  return {
    webhook_id: delivery.endpointId,
    event_id: delivery.eventId,
    sequence: delivery.sequence,
    status: delivery.status.toUpperCase(),
    attempts: delivery.attempts,
    ...(responseStatus !== undefined && { response_status: responseStatus }),
    ...(nextAttemptAt !== undefined && { next_attempt_at: nextAttemptAt.toISOString() }),
    created_at: delivery.createdAt.toISOString(),
    attempt_log: attemptLog.map(attemptToWire),
  }
}

function attemptToWire({ at, durationMs, responseStatus, error }: WebhookAttempt) {
  return {
    at: new Date(at).toISOString(),
    duration_ms: durationMs,
    ...(responseStatus !== undefined && { response_status: responseStatus }),
    ...(error !== undefined && { error }),
  }
}
