import { STATUS_EVENT_TYPE, userIdentifierSchema } from '@latchkey/core/wire'
import { Hono } from 'hono'
import * as z from 'zod'
import type { AccountEvent } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { createEventStreams, type EventStreamsOptions } from '../events/eventStreams.ts'
import type { StreamSubject } from '../events/liveStream.ts'
import type { Configs, Instances } from '../services.ts'
import { clientOf, tokenEndOf } from './clientOf.ts'
import { check } from './readBody.ts'
import type { StatusEvents } from './statusEvents.ts'

export interface EventRoutesOptions extends EventStreamsOptions {
  readonly instances: Pick<Instances, 'get'>
  readonly configs: Pick<Configs, 'get'>
  readonly statusEvents: StatusEvents
  /** How many streams one API client may have open on this process. Default: 20,000. */
  readonly maxStreamsPerClient?: number | undefined
}

const MAX_STREAMS_PER_CLIENT = 20_000
const HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store, no-transform',
  'X-Accel-Buffering': 'no',
}

const userSchema = z.object({ user_identifier: userIdentifierSchema })

/** `GET /api/v1/events?instance_id=…` or `?user_identifier=…`: status changes as server-sent events. */
export function eventRoutes(options: EventRoutesOptions): Hono {
  const { instances, configs, statusEvents, maxStreamsPerClient = MAX_STREAMS_PER_CLIENT } = options
  const streams = createEventStreams(options)
  const quota = createQuota(maxStreamsPerClient)
  const app = new Hono()

  app.get('/', async (context) => {
    const found = await subject(context.req.query())
    const lastSequence = readSequence(context.req.header('Last-Event-ID'))
    const onEnd = quota.take(clientOf(context))
    return context.body(
      await streams.open({ ...found, endsAt: tokenEndOf(context), lastSequence, reset, onEnd }),
      200,
      HEADERS,
    )
  })

  return app

  /** Whose events, and of which connections. */
  async function subject({ instance_id: id, user_identifier: user }: Record<string, string>): Promise<StreamSubject> {
    if ((id === undefined) === (user === undefined)) {
      throw new GatewayError('invalid_request', 'Give either instance_id or user_identifier.')
    }
    if (id === undefined) {
      const userIdentifier = check({ user_identifier: user }, userSchema).user_identifier
      return { userIdentifier, renderKey: '', render: renderAll }
    }
    const instance = await instances.get(id)
    if (instance === undefined) throw new GatewayError('not_found', 'There is no MCP instance with this id.')
    const { userIdentifier, configId } = instance
    return {
      userIdentifier,
      instanceId: id,
      renderKey: configId,
      render: async (page) => await renderOf(configId, page),
    }
  }

  function renderAll(page: readonly AccountEvent[]): Promise<string[]> {
    return Promise.resolve(page.flatMap(format))
  }

  async function renderOf(configId: string, page: readonly AccountEvent[]): Promise<string[]> {
    const ids = (await configs.get(configId))?.mappings.map(({ connectionId }) => connectionId) ?? []
    return page.filter(({ connectionId }) => ids.includes(connectionId)).flatMap(format)
  }

  function format(event: AccountEvent): string | [] {
    const told = statusEvents(event)
    if (told === undefined) return []
    return `id: ${event.sequence}\nevent: ${STATUS_EVENT_TYPE}\ndata: ${JSON.stringify(told)}\n\n`
  }
}

/** Some of what was missed is not kept any more: whoever reads this reads the state anew. */
function reset(lastForgotten: number): string {
  return `id: ${lastForgotten}\nevent: reset\ndata: {"type":"reset"}\n\n`
}

/** What is not a place in our log is as good as none: an `EventSource` would never come back from an error. */
function readSequence(lastEventId: string | undefined): number | undefined {
  return lastEventId !== undefined && /^\d{1,15}$/.test(lastEventId) ? Number(lastEventId) : undefined
}

/** How many streams each client has open. */
function createQuota(most: number) {
  const open = new Map<string, number>()
  return {
    /** Gives what gives it back. Throws GatewayError `rate_limited`. */
    take(clientId: string): () => void {
      const count = open.get(clientId) ?? 0
      if (count >= most) {
        throw new GatewayError('rate_limited', `This client has ${most} event streams open. Close some first.`)
      }
      open.set(clientId, count + 1)
      return () => open.set(clientId, (open.get(clientId) ?? 1) - 1)
    },
  }
}
