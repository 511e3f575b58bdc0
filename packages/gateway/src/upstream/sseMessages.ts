import { setImmediate as nextTurn } from 'node:timers/promises'
import { createParser } from 'eventsource-parser'

/** What arrives on an event stream: one event's data, or a sign of life. */
export type SseItem =
  | { readonly kind: 'message'; readonly data: string; readonly id: string | undefined }
  | { readonly kind: 'comment' }

/** An event is longer than the cap (security T44). */
export class EventTooLarge extends Error {
  readonly maxChars: number

  constructor(maxChars: number) {
    super('an event of the stream is too large')
    this.name = 'EventTooLarge'
    this.maxChars = maxChars
  }
}

export interface SseReader {
  /** The next item; undefined at the end of the stream. */
  next(): Promise<SseItem | undefined>
  cancel(): Promise<void>
}

/** How far a stream has been read, and how the rest of it is asked for. */
export interface SsePosition {
  /** Of the last whole event that had one. */
  readonly lastEventId: string | undefined
  /** How long the server wants to be left alone before that. */
  readonly retryMs: number | undefined
  readonly bytes: number
}

/** There may be thousands of chunks, and of events in one: others have their turn in between (security T46). */
const STEPS_OF_ONE_TURN = 256

/** Reads an event stream item by item, and no further ahead than one chunk. Of comments in a row only one is given. */
export function readSse(
  body: ReadableStream<Uint8Array>,
  maxEventChars: number,
): SseReader & { position(): SsePosition } {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  const items: SseItem[] = []
  let tooLarge = false
  let lastEventId: string | undefined
  let retryMs: number | undefined
  let bytes = 0
  let steps = 0
  const parser = createParser({
    maxBufferSize: maxEventChars,
    onId: (id) => void (lastEventId = id),
    onRetry: (milliseconds) => void (retryMs = milliseconds),
    onEvent({ data, id }) {
      // The parser measures what is left when a chunk is read, not an event that this chunk completes.
      if (data.length > maxEventChars) tooLarge = true
      else items.push({ kind: 'message', data, id })
    },
    onComment() {
      if (items.at(-1)?.kind !== 'comment') items.push({ kind: 'comment' })
    },
  })

  /**
   * Without `onError`, for which it makes an error with a stack trace of each line that is no field: a hostile stream has
   * nothing else. It throws when it is fed again after an event was too large.
   */
  function feed(text: string): void {
    try {
      parser.feed(text)
      parser.feed('')
    } catch {
      tooLarge = true
    }
  }

  return {
    async next() {
      for (;;) {
        steps += 1
        if (steps % STEPS_OF_ONE_TURN === 0) await nextTurn()
        const item = items.shift()
        if (item !== undefined) return item
        if (tooLarge) throw new EventTooLarge(maxEventChars)
        const { done, value } = await reader.read()
        if (done) return undefined
        bytes += value.byteLength
        feed(decoder.decode(value, { stream: true }))
      }
    },
    cancel: () => reader.cancel(),
    position: () => ({ lastEventId, retryMs, bytes }),
  }
}

/** One message as an event. JSON cannot hold a raw line break inside a string, so splitting lines changes no value. */
export function sseEvent(data: string): string {
  return `event: message\ndata: ${data.replaceAll(/\r\n|\r|\n/g, '\ndata: ')}\n\n`
}

export const SSE_COMMENT = ':\n\n'
