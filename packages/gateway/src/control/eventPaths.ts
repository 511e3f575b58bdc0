import * as z from 'zod'
import { describeRoute } from './openapi/describeRoute.ts'

export const eventPaths = [
  describeRoute({
    method: 'get',
    path: '/api/v1/events',
    operationId: 'streamEvents',
    tag: 'Events',
    summary: 'Stream the status changes of one user, or of one instance',
    description:
      'Server-sent events. Each is of the type connected_account.status_updated, its data is a StatusEvent. Give either instance_id or user_identifier.',
    query: z.object({ instance_id: z.string().optional(), user_identifier: z.string().optional() }),
    headers: z.object({
      'Last-Event-ID': z.string().optional().meta({ description: 'The last event that was seen: goes on after it.' }),
    }),
    responses: { 200: { description: 'The stream.', schema: z.string(), type: 'text/event-stream' } },
  }),
]
