import { STATUS_EVENT_TYPE, userIdentifierSchema } from '@latchkey/core/wire'
import { Hono } from 'hono'
import * as z from 'zod'
import type { AccountEvent } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { createEventStream } from '../events/eventStream.ts'
import type { Configs, EventLog, Instances } from '../services.ts'
import { check } from './readBody.ts'
import type { StatusEvents } from './statusEvents.ts'

export interface EventRoutesOptions {
  readonly events: EventLog
  readonly instances: Pick<Instances, 'get'>
  readonly configs: Pick<Configs, 'get'>
  readonly statusEvents: StatusEvents
  readonly keepAliveMs: number
  /** Ends all streams. */
  readonly signal: AbortSignal
}

const userSchema = z.object({ user_identifier: userIdentifierSchema })

/** Whose events, and of which connections; all of them where `connectionIds` is not given. */
interface Subject {
  readonly userIdentifier: string
  readonly connectionIds?: () => Promise<readonly string[]>
}

/** `GET /api/v1/events?instance_id=…` or `?user_identifier=…`: status changes as server-sent events. */
export function eventRoutes(options: EventRoutesOptions): Hono {
  const { events, instances, configs, statusEvents, keepAliveMs, signal } = options
  const app = new Hono()

  app.get('/', async (context) => {
    const { userIdentifier, connectionIds } = await subject(context.req.query())
    const stream = createEventStream({
      events,
      userIdentifier,
      lastSequence: readSequence(context.req.header('Last-Event-ID')),
      render: (page) => render(page, connectionIds),
      keepAliveMs,
      signal: AbortSignal.any([signal, context.req.raw.signal]),
    })
    return context.body(stream, 200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store, no-transform',
      'X-Accel-Buffering': 'no',
    })
  })

  return app

  async function subject({ instance_id: instanceId, user_identifier: user }: Record<string, string>): Promise<Subject> {
    if ((instanceId === undefined) === (user === undefined)) {
      throw new GatewayError('invalid_request', 'Give either instance_id or user_identifier.')
    }
    if (instanceId === undefined)
      return { userIdentifier: check({ user_identifier: user }, userSchema).user_identifier }
    const instance = await instances.get(instanceId)
    if (instance === undefined) throw new GatewayError('not_found', 'There is no MCP instance with this id.')
    const { userIdentifier, configId } = instance
    const connectionIds = async () =>
      (await configs.get(configId))?.mappings.map((mapping) => mapping.connectionId) ?? []
    return { userIdentifier, connectionIds }
  }

  async function render(page: readonly AccountEvent[], connectionIds: Subject['connectionIds']): Promise<string[]> {
    const ids = connectionIds && (await connectionIds())
    return page.filter((event) => ids === undefined || ids.includes(event.connectionId)).flatMap(format)
  }

  function format(event: AccountEvent): string | [] {
    const told = statusEvents(event)
    if (told === undefined) return []
    const data = JSON.stringify(told)
    return `id: ${event.sequence}\nevent: ${STATUS_EVENT_TYPE}\ndata: ${data}\n\n`
  }
}

/** What is not a place in our log is as good as none: an `EventSource` would never come back from an error. */
function readSequence(lastEventId: string | undefined): number | undefined {
  return lastEventId !== undefined && /^\d{1,15}$/.test(lastEventId) ? Number(lastEventId) : undefined
}
