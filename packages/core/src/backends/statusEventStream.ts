import { EventSourceParserStream } from 'eventsource-parser/stream'
import { LatchkeyError } from '../errors.ts'
import { parseJson } from '../http/parseJson.ts'
import { STATUS_EVENT_TYPE } from '../wire/constants.ts'
import { toStatusEvent } from '../wire/mapping.ts'
import { statusEventSchema } from '../wire/schemas.ts'
import type { StatusEvent } from './backend.ts'
import type { ControlPlane } from './controlPlane.ts'
import { translateError } from './translateError.ts'

/** A service that answers so has no event stream. */
const NO_EVENTS: ReadonlySet<number> = new Set([404, 405, 501])

/** The status changes of one instance, as server-sent events. See `Backend.statusEvents` for how it ends. */
export async function* statusEventStream(
  controlPlane: ControlPlane,
  instanceId: string,
  options: { signal: AbortSignal; lastEventId?: string | undefined; onOpen?: (() => void) | undefined },
): AsyncGenerator<StatusEvent> {
  const { signal, lastEventId, onOpen } = options
  const doing = `listening to events of instance ${instanceId}`
  const path = `/api/v1/events?instance_id=${encodeURIComponent(instanceId)}`
  const headers = { accept: 'text/event-stream', ...(lastEventId ? { 'last-event-id': lastEventId } : {}) }
  using stream = await controlPlane.openStream(path, headers, doing, signal)
  const { response } = stream
  if (!isEventStream(response)) {
    await response.body?.cancel()
    if (response.ok || NO_EVENTS.has(response.status)) return
    throw new LatchkeyError('unavailable', `${doing} failed: the control plane answered HTTP ${response.status}`)
  }
  onOpen?.()
  try {
    yield* readEvents(response)
  } catch (error) {
    throw translateError(error, { doing, settings: controlPlane.settings }, signal)
  }
}

function isEventStream(response: Response): boolean {
  return (
    response.ok && response.body !== null && /^text\/event-stream\b/i.test(response.headers.get('content-type') ?? '')
  )
}

async function* readEvents(response: Response): AsyncGenerator<StatusEvent> {
  const events = response.body!.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream())
  for await (const { id, data } of events) {
    const parsed = statusEventSchema.safeParse(parseJson(data))
    if (parsed.success && parsed.data.type === STATUS_EVENT_TYPE) yield toStatusEvent(parsed.data, id)
  }
}
