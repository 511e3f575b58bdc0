/** Webhooks on the wire. Ours: the hosted service has them in its dashboard. */
import * as z from 'zod'
import { durationSchema } from './schemas.ts'

const urlSchema = z.string().min(1, 'is empty').max(2048, 'is longer than 2048 characters')
const descriptionSchema = z.string().max(200, 'is longer than 200 characters')

export const webhookRequestSchema = z.object({
  /** `https`, or `http` on a loopback address where the gateway runs on one itself. */
  url: urlSchema,
  description: descriptionSchema.optional(),
})

/** Changes what is given and leaves the rest. An empty description removes it. */
export const webhookUpdateSchema = z.object({
  url: urlSchema.optional(),
  description: descriptionSchema.optional(),
  /** While it is false nothing is sent, and nothing new is queued. */
  enabled: z.boolean().optional(),
})

export const webhookSchema = z.object({
  id: z.string(),
  url: z.string(),
  description: z.string().optional(),
  /** `api` or `configuration`; what the configuration names is changed there. */
  source: z.string(),
  enabled: z.boolean(),
  /** `requested`, `gone` (it answered 410), `failing` (for days) or `removed` (from the configuration). */
  disabled_reason: z.string().optional(),
  /** Since when nothing has arrived there (RFC 3339). */
  failing_since: z.string().optional(),
  created_at: z.string(),
  updated_at: z.string(),
})

export const webhookListSchema = z.object({ webhooks: z.array(webhookSchema).default([]) })

export const createdWebhookSchema = z.object({
  webhook: webhookSchema,
  /** `whsec_…`: what requests are signed with. Shown this once. */
  secret: z.string(),
})

export const rotateWebhookSecretRequestSchema = z.object({
  /** For how long requests are signed with the old secret too: `0s` to `604800s`, `86400s` by default. */
  overlap: durationSchema.optional(),
})

export const webhookSecretSchema = z.object({
  /** Shown this once. */
  secret: z.string(),
  previous_secret_expires_at: z.string(),
})

const webhookAttemptSchema = z.object({
  at: z.string(),
  duration_ms: z.number(),
  /** Absent where no answer came. */
  response_status: z.number().optional(),
  /** Why it does not count as delivered. */
  error: z.string().optional(),
})

export const webhookDeliverySchema = z.object({
  webhook_id: z.string(),
  /** The `webhook-id` of the request, and the `id` in its body. */
  event_id: z.string(),
  /** Grows with each event. */
  sequence: z.number(),
  /** `PENDING`, `DELIVERED` or `FAILED` (given up). */
  status: z.string(),
  attempts: z.number(),
  /** Of the last attempt. */
  response_status: z.number().optional(),
  next_attempt_at: z.string().optional(),
  created_at: z.string(),
  /** The last ones, oldest first. */
  attempt_log: z.array(webhookAttemptSchema).default([]),
})

export const webhookDeliveryListSchema = z.object({
  deliveries: z.array(webhookDeliverySchema).default([]),
  next_page_token: z.string().optional(),
  prev_page_token: z.string().optional(),
})

export const replayWebhookRequestSchema = z.object({
  /** Events from this time on (RFC 3339). */
  since: z.iso.datetime({ offset: true, error: 'is not a time such as "2026-07-28T10:00:00Z"' }),
  /** Send what was delivered again too. Default: only what was given up or never sent. */
  include_delivered: z.boolean().optional(),
})

export const replayedWebhookSchema = z.object({ queued: z.number() })

export type WireWebhook = z.infer<typeof webhookSchema>
export type WireWebhookDelivery = z.infer<typeof webhookDeliverySchema>
