import { setTimeout as delay } from 'node:timers/promises'
import { AnswerTooLarge, GatewayError } from '../errors.ts'
import type { GuardedAnswer } from '../services.ts'
import { ownText } from './ownText.ts'
import type { PostLimits } from './post.ts'
import { mediaType, SSE_TYPE } from './protocol.ts'
import { readSse, type SseItem, type SseReader } from './sseMessages.ts'

/** How the rest of a stream is asked for. */
export interface Reopen {
  /** Asks for what came after this event. It is a GET: nothing is carried out again. */
  readonly ask: (lastEventId: string, maxBytes: number) => Promise<GuardedAnswer>
  /** Of the whole answer, in however many streams it comes. */
  readonly limits: PostLimits
}

/** Of an upstream that cannot be reached, or breaks off again without a new event. One that ends in order may go on. */
const MAX_TRIES = 5
const MAX_STREAMS = 1_000
/** Where the upstream does not say how long to wait; and the least, whatever it says. */
const DEFAULT_PAUSE_MS = 1_000
const SHORTEST_PAUSE_MS = 50
/** What may be otherwise a little later. 409: the upstream has not noticed yet that the stream before has broken. */
const BUSY: ReadonlySet<number> = new Set([409, 429, 500, 502, 503, 504])
/** What can be written in a header; and a longer one is no id. */
const SENDABLE_ID = /^[\x21-\x7E](?:[\x20-\x7E]{0,1022}[\x21-\x7E])?$/

/**
 * Reads a stream of the 2025 era to the end of what it has to say. An upstream may end it in the middle to be asked for
 * the rest later, and a network may break it (2025-11-25, Streamable HTTP, "Resumability and Redelivery"): where its
 * events have ids, what follows the last whole one is asked for, after the pause that the upstream wants, and an event
 * that comes again is left out. Without an id, or after some tries in vain, the stream ends as it did.
 */
export function readResumableSse(body: ReadableStream<Uint8Array>, maxEventChars: number, reopen: Reopen): SseReader {
  const { limits, ask } = reopen
  const cancelled = new AbortController()
  const signal = limits.signal === undefined ? cancelled.signal : AbortSignal.any([limits.signal, cancelled.signal])
  const isNew = createSeenIds()
  let current = readSse(body, maxEventChars)
  let streams = 1
  let triesInVain = 0
  let bytesBefore = 0
  let lastEventId: string | undefined
  let retryMs = DEFAULT_PAUSE_MS
  let aliveAt = performance.now()

  async function read(): Promise<{ readonly item?: SseItem | undefined; readonly failure?: unknown }> {
    try {
      const item = await current.next()
      if (item !== undefined) aliveAt = performance.now()
      return { item }
    } catch (failure) {
      return { failure }
    }
  }

  function notePosition(): void {
    const position = current.position()
    if (position.lastEventId !== undefined && position.lastEventId !== lastEventId) {
      triesInVain = 0
      lastEventId = position.lastEventId
    }
    retryMs = Math.max(position.retryMs ?? retryMs, SHORTEST_PAUSE_MS)
    bytesBefore += position.bytes
  }

  /** Waits as long as the upstream wants. False where there is no more time for that. */
  async function pause(): Promise<boolean> {
    const pauseMs = retryMs * 2 ** triesInVain
    if (performance.now() + pauseMs > aliveAt + limits.bodyIdleTimeoutMs) return false
    await delay(pauseMs, undefined, { signal }).catch(() => undefined)
    return !signal.aborted
  }

  /** Whether there is more to be read. */
  async function goOn(failure: unknown): Promise<boolean> {
    notePosition()
    if (failure === undefined) triesInVain = 0
    if (lastEventId === undefined || !SENDABLE_ID.test(lastEventId)) return false
    for (; triesInVain < MAX_TRIES && streams < MAX_STREAMS; triesInVain += 1) {
      if (!(await pause())) return false
      const answer = await askAgain(() => ask(lastEventId ?? '', limits.maxBytes - bytesBefore))
      if (answer === 'busy') continue
      if (answer === undefined || signal.aborted) {
        answer?.discard()
        return false
      }
      current = readSse(answer.stream(), maxEventChars)
      streams += 1
      triesInVain += 1
      return true
    }
    return false
  }

  return {
    async next() {
      for (;;) {
        const { item, failure } = await read()
        if (item !== undefined) {
          if (item.kind === 'comment' || isNew(item.id, streams)) return item
        } else if (signal.aborted || !mayPass(failure) || !(await goOn(failure))) {
          if (failure === undefined) return undefined
          throw failure instanceof AnswerTooLarge ? new AnswerTooLarge('The upstream', limits.maxBytes) : failure
        }
      }
    },
    cancel() {
      cancelled.abort()
      return current.cancel()
    },
  }
}

/** Undefined where there is nothing to be had. */
async function askAgain(ask: () => Promise<GuardedAnswer>): Promise<GuardedAnswer | 'busy' | undefined> {
  let answer: GuardedAnswer
  try {
    answer = await ask()
  } catch (error) {
    return mayPass(error) ? 'busy' : undefined
  }
  if (answer.ok && mediaType(answer.headers['content-type']) === SSE_TYPE) return answer
  answer.discard()
  return BUSY.has(answer.status) ? 'busy' : undefined
}

/** An end in order, or what a network does; nothing that the upstream did wrong. */
function mayPass(failure: unknown): boolean {
  return failure === undefined || (failure instanceof GatewayError && failure.code === 'upstream_unavailable')
}

/** Of the events that were read before, so many are known again, with ids of so many characters together. */
const MAX_SEEN_IDS = 1_000
const MAX_SEEN_CHARS = 64 * 1024

/** Tells events that have come from those that come again, on a later stream. */
function createSeenIds(): (id: string | undefined, stream: number) => boolean {
  const seenOn = new Map<string, number>()
  let chars = 0

  function remember(id: string, stream: number): void {
    if (!seenOn.has(id)) chars += id.length
    seenOn.set(ownText(id), stream)
    for (const oldest of seenOn.keys()) {
      if (seenOn.size <= MAX_SEEN_IDS && chars <= MAX_SEEN_CHARS) break
      seenOn.delete(oldest)
      chars -= oldest.length
    }
  }

  return (id, stream) => {
    // What cannot be asked for is not an id by which anything comes again.
    if (id === undefined || !SENDABLE_ID.test(id)) return true
    const before = seenOn.get(id)
    if (before !== undefined && before < stream) return false
    remember(id, stream)
    return true
  }
}
