import {
  createdWebhookSchema,
  replayedWebhookSchema,
  replayWebhookRequestSchema,
  rotateWebhookSecretRequestSchema,
  webhookDeliveryListSchema,
  webhookDeliverySchema,
  webhookListSchema,
  webhookRequestSchema,
  webhookSchema,
  webhookSecretSchema,
  webhookUpdateSchema,
} from '@latchkey/core/wire'
import * as z from 'zod'
import { describeRoute } from './openapi/describeRoute.ts'
import { pageQueryShape } from './pageQuery.ts'

/** What the delivery log takes. */
export const deliveryQuerySchema = z.object({
  'filter.status': z.enum(['PENDING', 'DELIVERED', 'FAILED'], 'is not PENDING, DELIVERED or FAILED').optional(),
  ...pageQueryShape,
})

const WEBHOOKS = '/api/v1/webhooks'
const ONE = `${WEBHOOKS}/{webhook_id}`
const answerSchema = z.object({ webhook: webhookSchema })
const deliverySchema = z.object({ delivery: webhookDeliverySchema })

export const webhookPaths = [
  describeRoute({
    method: 'post',
    path: WEBHOOKS,
    operationId: 'createWebhook',
    tag: 'Webhooks',
    summary: 'Create a webhook: status changes are sent there, signed as Standard Webhooks says',
    body: webhookRequestSchema,
    responses: { 201: { description: 'The webhook, and its secret, this once.', schema: createdWebhookSchema } },
  }),
  describeRoute({
    method: 'get',
    path: WEBHOOKS,
    operationId: 'listWebhooks',
    tag: 'Webhooks',
    summary: 'List all webhooks, oldest first',
    responses: { 200: { description: 'All of them.', schema: webhookListSchema } },
  }),
  describeRoute({
    method: 'get',
    path: ONE,
    operationId: 'getWebhook',
    tag: 'Webhooks',
    summary: 'Get a webhook',
    responses: { 200: { description: 'The webhook.', schema: answerSchema } },
  }),
  describeRoute({
    method: 'patch',
    path: ONE,
    operationId: 'updateWebhook',
    tag: 'Webhooks',
    summary: 'Change the URL or the description of a webhook, or disable or enable it',
    description: 'What was pending when it was disabled is sent when it is enabled again.',
    body: webhookUpdateSchema,
    responses: { 200: { description: 'The webhook as it is now.', schema: answerSchema } },
  }),
  describeRoute({
    method: 'delete',
    path: ONE,
    operationId: 'deleteWebhook',
    tag: 'Webhooks',
    summary: 'Delete a webhook and its delivery log',
    responses: { 200: { description: 'It is gone.', schema: z.object({}) } },
  }),
  describeRoute({
    method: 'post',
    path: `${ONE}:rotate_secret`,
    operationId: 'rotateWebhookSecret',
    tag: 'Webhooks',
    summary: 'Make a new secret; for a while requests are signed with the old one too',
    body: rotateWebhookSecretRequestSchema,
    responses: { 200: { description: 'The new secret, this once.', schema: webhookSecretSchema } },
  }),
  describeRoute({
    method: 'post',
    path: `${ONE}:replay`,
    operationId: 'replayWebhook',
    tag: 'Webhooks',
    summary: 'Send events again that were given up or never sent since a time',
    body: replayWebhookRequestSchema,
    responses: { 200: { description: 'How many are queued.', schema: replayedWebhookSchema } },
  }),
  describeRoute({
    method: 'get',
    path: `${ONE}/deliveries`,
    operationId: 'listWebhookDeliveries',
    tag: 'Webhooks',
    summary: 'The delivery log of a webhook, newest event first',
    query: deliveryQuerySchema,
    responses: { 200: { description: 'One page.', schema: webhookDeliveryListSchema } },
  }),
  describeRoute({
    method: 'get',
    path: `${ONE}/deliveries/{event_id}`,
    operationId: 'getWebhookDelivery',
    tag: 'Webhooks',
    summary: 'Get the delivery of one event',
    responses: { 200: { description: 'The delivery.', schema: deliverySchema } },
  }),
  describeRoute({
    method: 'post',
    path: `${ONE}/deliveries/{event_id}:replay`,
    operationId: 'replayWebhookDelivery',
    tag: 'Webhooks',
    summary: 'Send one event again, whatever became of it',
    responses: { 200: { description: 'The delivery, pending again.', schema: deliverySchema } },
  }),
]
