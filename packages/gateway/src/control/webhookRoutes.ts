import {
  replayWebhookRequestSchema,
  rotateWebhookSecretRequestSchema,
  webhookRequestSchema,
  webhookUpdateSchema,
} from '@latchkey/core/wire'
import { Hono } from 'hono'
import type { WebhookDelivery, WebhookDeliveryStatus } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Webhooks } from '../services.ts'
import { readPage } from './pageQuery.ts'
import { check, readBody } from './readBody.ts'
import { deliveryQuerySchema } from './webhookPaths.ts'
import { deliveryToWire, webhookToWire } from './webhookToWire.ts'

const DEFAULT_OVERLAP_SECONDS = 24 * 60 * 60
const MAX_OVERLAP_SECONDS = 7 * DEFAULT_OVERLAP_SECONDS

/** `/api/v1/webhooks` and what is below it. */
export function webhookRoutes({ webhooks }: { readonly webhooks: Webhooks }): Hono {
  const app = new Hono()

  app.post('/', async (context) => {
    const { endpoint, secret } = await webhooks.create(await readBody(context, webhookRequestSchema))
    return context.json({ webhook: webhookToWire(endpoint), secret: secret.reveal() }, 201)
  })
  app.get('/', async (context) => context.json({ webhooks: (await webhooks.list()).map(webhookToWire) }))
  app.get('/:id', async (context) => {
    return context.json({ webhook: webhookToWire(await webhooks.require(context.req.param('id'))) })
  })
  app.patch('/:id', async (context) => {
    const change = await readBody(context, webhookUpdateSchema)
    return context.json({ webhook: webhookToWire(await webhooks.update(context.req.param('id'), change)) })
  })
  app.delete('/:id', async (context) => {
    await webhooks.delete(context.req.param('id'))
    return context.json({})
  })
  app.post('/:target{[^/]+(?::|%3[aA])rotate_secret}', async (context) => {
    const { overlap } = await readBody(context, rotateWebhookSecretRequestSchema)
    const id = withoutVerb(context.req.param('target'))
    const { secret, previousExpiresAt } = await webhooks.rotateSecret(id, readOverlap(overlap))
    return context.json({ secret: secret.reveal(), previous_secret_expires_at: previousExpiresAt.toISOString() })
  })
  app.post('/:target{[^/]+(?::|%3[aA])replay}', async (context) => {
    const { since, include_delivered: includeDelivered = false } = await readBody(context, replayWebhookRequestSchema)
    const query = { since: new Date(since), includeDelivered }
    return context.json({ queued: await webhooks.replaySince(withoutVerb(context.req.param('target')), query) })
  })
  return app.route('/', deliveryRoutes(webhooks))
}

function deliveryRoutes(webhooks: Webhooks): Hono {
  const app = new Hono()
  app.get('/:id/deliveries', async (context) => {
    const id = context.req.param('id')
    const query = check(context.req.query(), deliveryQuerySchema)
    const status = readStatus(query['filter.status'])
    const { entries, ...tokens } = await readPage<WebhookDelivery>({
      of: 'webhook_deliveries',
      query,
      keyOf: ({ sequence }) => String(sequence),
      list: async ({ after, before, limit }) =>
        await webhooks.deliveries(id, {
          status,
          // The newest come first, so what follows an entry is older.
          beforeSequence: after === undefined ? undefined : Number(after),
          afterSequence: before === undefined ? undefined : Number(before),
          limit,
        }),
    })
    return context.json({ deliveries: entries.map(deliveryToWire), ...tokens })
  })
  app.get('/:id/deliveries/:eventId', async (context) => {
    const { id, eventId } = context.req.param()
    return context.json({ delivery: deliveryToWire(await webhooks.requireDelivery(id, eventId)) })
  })
  app.post('/:id/deliveries/:target{[^/]+(?::|%3[aA])replay}', async (context) => {
    const { id, target } = context.req.param()
    return context.json({ delivery: deliveryToWire(await webhooks.replay(id, withoutVerb(target))) })
  })
  return app
}

const STATUSES: Record<'PENDING' | 'DELIVERED' | 'FAILED', WebhookDeliveryStatus> = {
  PENDING: 'pending',
  DELIVERED: 'delivered',
  FAILED: 'failed',
}

function readStatus(status: keyof typeof STATUSES | undefined): WebhookDeliveryStatus | undefined {
  return status === undefined ? undefined : STATUSES[status]
}

function withoutVerb(target: string): string {
  return target.slice(0, target.lastIndexOf(':'))
}

function readOverlap(overlap: string | undefined): number {
  const seconds = overlap === undefined ? DEFAULT_OVERLAP_SECONDS : Number(overlap.slice(0, -1))
  if (seconds <= MAX_OVERLAP_SECONDS) return seconds * 1000
  throw new GatewayError('invalid_request', `overlap: is more than ${MAX_OVERLAP_SECONDS}s`)
}
