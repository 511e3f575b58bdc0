import { SSE_TYPE } from '../upstream/protocol.ts'
import { SSE_COMMENT, sseEvent } from '../upstream/sseMessages.ts'
import { KEEP_ALIVE_MS } from './keepAlive.ts'

/** How the two eras write what is sent on a stream of notifications. */
export interface StreamForm {
  /** What comes first. */
  readonly opening: readonly string[]
  /** One notification, as a message. */
  readonly write: (method: string, params: Readonly<Record<string, unknown>>) => string
  /** What ends it, where it ends in order. */
  readonly closing: readonly string[]
}

/** A stream of notifications to one client. */
export interface ListenStream {
  readonly response: Response
  /** Says that a list has changed. Said again before it was sent, it is sent once. */
  readonly tellList: (list: 'tools' | 'prompts' | 'resources') => void
  /** Says that a resource has changed, by its exposed URI. */
  readonly tellResource: (uri: string) => void
  /** Ends the stream in order. */
  readonly end: () => void
}

/** A client that reads nothing keeps no more than this in memory. */
const MAX_PENDING_URIS = 1_000
const HEADERS = { 'content-type': SSE_TYPE, 'cache-control': 'no-store', 'x-accel-buffering': 'no' }
const encoder = new TextEncoder()

/** What has to be told is remembered as a set, and written when the client takes more. */
export function createListenStream(form: StreamForm, onClosed: () => void): ListenStream {
  const pending = new Map<string, readonly [method: string, params: Readonly<Record<string, unknown>>]>()
  const opening = form.opening.map(sseEvent).join('')
  let wake: (() => void) | undefined
  let isEnding = false

  const body = new ReadableStream<Uint8Array>(
    {
      start: (controller) => controller.enqueue(encoder.encode(opening === '' ? SSE_COMMENT : opening)),
      async pull(controller) {
        if (pending.size === 0 && !isEnding) await woken()
        const messages = [...pending.values()].map(([method, params]) => form.write(method, params))
        pending.clear()
        if (isEnding) messages.push(...form.closing)
        const text = messages.length > 0 ? messages.map(sseEvent).join('') : SSE_COMMENT
        controller.enqueue(encoder.encode(text))
        if (isEnding) controller.close()
      },
      cancel() {
        isEnding = true
        wake?.()
        onClosed()
      },
    },
    { highWaterMark: 1 },
  )

  async function woken(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, KEEP_ALIVE_MS).unref()
    wake = resolve
    await promise
    clearTimeout(timer)
  }

  function tell(key: string, method: string, params: Readonly<Record<string, unknown>>): void {
    pending.set(key, [method, params])
    wake?.()
  }

  return {
    response: new Response(body, { status: 200, headers: HEADERS }),
    tellList: (list) => tell(list, `notifications/${list}/list_changed`, {}),
    tellResource(uri) {
      if (pending.size < MAX_PENDING_URIS) tell(`uri:${uri}`, 'notifications/resources/updated', { uri })
    },
    end() {
      if (isEnding) return
      isEnding = true
      wake?.()
      onClosed()
    },
  }
}
