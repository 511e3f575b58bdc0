import type { Change } from '../domain.ts'
import type { Changes, Clock, EventLog } from '../services.ts'
import { createKeepAliveWheel } from './keepAliveWheel.ts'
import { LiveStream, type StreamSubject } from './liveStream.ts'
import { UserTopic } from './userTopic.ts'

export interface EventStreamsOptions {
  readonly events: EventLog
  /** Ends the streams of a user that is revoked, and of an instance that is changed or deleted. */
  readonly changes: Changes
  readonly clock: Clock
  /** After how much silence a stream says that it lives, in milliseconds. */
  readonly keepAliveMs: number
  /** Ends all streams. */
  readonly signal: AbortSignal
}

export interface OpenStreamOptions extends StreamSubject {
  /** The last event that the client has seen; what happened since comes first. Without it, only what comes from now on. */
  readonly lastSequence: number | undefined
  /** What to say first where events after `lastSequence` have been forgotten, up to this one. */
  readonly reset: (lastForgotten: number) => string
  /** Called once, when it has ended. */
  readonly onEnd?: (() => void) | undefined
}

type Place = Pick<OpenStreamOptions, 'lastSequence' | 'reset'>

/** The open event streams of this process. */
export interface EventStreams {
  /** The answer's body: server-sent events. */
  readonly open: (options: OpenStreamOptions) => Promise<ReadableStream<Uint8Array>>
  readonly size: () => number
}

const encoder = new TextEncoder()

/**
 * Tells each user's events to the streams of that user: what happens to one user costs nothing to the streams of all
 * others, however many there are.
 */
export function createEventStreams({ events, changes, clock, keepAliveMs, signal }: EventStreamsOptions): EventStreams {
  const topics = new Map<string, UserTopic>()
  const wheel = createKeepAliveWheel(keepAliveMs, clock)
  let size = 0

  events.subscribe(({ userIdentifier, sequence }) => topics.get(userIdentifier)?.wake(sequence))
  changes.subscribe((change) => void endChanged(change).catch(() => undefined))
  signal.addEventListener('abort', () => endAll(allStreams()), { once: true })

  function topicOf(userIdentifier: string): UserTopic {
    const existing = topics.get(userIdentifier)
    if (existing !== undefined) return existing
    const created = new UserTopic(events, userIdentifier)
    topics.set(userIdentifier, created)
    return created
  }

  async function open({ lastSequence, reset, onEnd, ...subject }: OpenStreamOptions) {
    const topic = topicOf(subject.userIdentifier)
    const stream = new LiveStream({ subject, onPull, onEnd: () => ended() })
    const takeOff = wheel.add(stream)
    topic.streams.add(stream)
    size++

    function onPull(): void {
      if (stream.position < topic.latest) topic.wake(0)
    }

    function ended(): void {
      topic.streams.delete(stream)
      takeOff()
      size--
      if (topic.streams.size === 0 && topics.get(subject.userIdentifier) === topic)
        topics.delete(subject.userIdentifier)
      onEnd?.()
    }

    try {
      await place(stream, topic, { lastSequence, reset })
    } catch (error) {
      stream.end()
      throw error
    }
    if (signal.aborted) stream.end()
    return stream.body
  }

  /** Sets the place in the log from which on the stream tells. */
  async function place(stream: LiveStream, topic: UserTopic, { lastSequence, reset }: Place) {
    // Whoever comes to a user that is listened to already joins the others without asking the store.
    if (lastSequence === undefined && topic.latest > 0) {
      stream.position = topic.latest
      return
    }
    const latest = await events.latestSequence()
    // A place that does not exist yet comes from another database.
    const position = Math.min(lastSequence ?? latest, latest)
    const earliest = position < latest ? await events.earliestSequence() : undefined
    if (earliest !== undefined && position + 1 < earliest) stream.send(encoder.encode(reset(earliest - 1)))
    stream.position = position
    topic.wake(latest)
  }

  async function endChanged({ kind, subject }: Change): Promise<void> {
    if (kind === 'config') return
    const topic = kind === 'user' ? topics.get(subject) : undefined
    const ending =
      kind === 'user' ? [...(topic?.streams ?? [])] : allStreams().filter((one) => one.subject.instanceId === subject)
    if (ending.length === 0) return
    if (topic !== undefined) {
      // What the revocation did to the accounts is the last thing that they tell.
      topic.wake(await events.latestSequence())
      await topic.idle()
    }
    endAll(ending)
  }

  function allStreams(): LiveStream[] {
    return Array.from(topics.values(), ({ streams }) => [...streams]).flat()
  }

  return { open, size: () => size }
}

function endAll(streams: readonly LiveStream[]): void {
  for (const stream of streams) stream.end()
}
