import { createParser } from 'eventsource-parser'

/** What arrives on an event stream: one event's data, or a sign of life. */
type SseItem = { readonly kind: 'message'; readonly data: string } | { readonly kind: 'comment' }

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

/** Reads an event stream item by item, and no further ahead than one chunk. */
export function readSse(body: ReadableStream<Uint8Array>, maxEventChars: number): SseReader {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  const items: SseItem[] = []
  let tooLarge = false
  const parser = createParser({
    maxBufferSize: maxEventChars,
    onEvent({ data }) {
      // The parser measures what is left when a chunk is read, not an event that this chunk completes.
      if (data.length > maxEventChars) tooLarge = true
      else items.push({ kind: 'message', data })
    },
    onComment: () => void items.push({ kind: 'comment' }),
    onError: ({ type }) => {
      tooLarge ||= type === 'max-buffer-size-exceeded'
    },
  })
  return {
    async next() {
      for (;;) {
        const item = items.shift()
        if (item !== undefined) return item
        if (tooLarge) throw new EventTooLarge(maxEventChars)
        const { done, value } = await reader.read()
        if (done) return undefined
        parser.feed(decoder.decode(value, { stream: true }))
      }
    },
    cancel: () => reader.cancel(),
  }
}

/** One message as an event. JSON cannot hold a raw line break inside a string, so splitting lines changes no value. */
export function sseEvent(data: string): string {
  return `event: message\ndata: ${data.replaceAll(/\r\n|\r|\n/g, '\ndata: ')}\n\n`
}

export const SSE_COMMENT = ':\n\n'
