import type { AccountEvent } from '../domain.ts'
import type { EventLog } from '../services.ts'

export interface EventStreamOptions {
  readonly events: EventLog
  readonly userIdentifier: string
  /** The last event that the client has seen; what happened since comes first. Without it, only what comes from now on. */
  readonly lastSequence: number | undefined
  /** What to send for these events, already formatted. May leave some out. */
  readonly render: (events: readonly AccountEvent[]) => Promise<readonly string[]>
  readonly keepAliveMs: number
  /** Ends the stream. */
  readonly signal: AbortSignal
}

const encoder = new TextEncoder()

/**
 * One user's events as server-sent events. An event that is told only wakes the stream, which then reads on from where
 * it was: so nothing is lost or out of order, and a slow client costs no memory, for it is read only when it takes more.
 */
export function createEventStream(options: EventStreamOptions): ReadableStream<Uint8Array> {
  const { events, userIdentifier, lastSequence, render, keepAliveMs, signal } = options
  const bell = createBell(keepAliveMs)
  const unsubscribe = events.subscribe((event) => event.userIdentifier === userIdentifier && bell.ring('event'))
  const onAbort = () => bell.ring('end')
  signal.addEventListener('abort', onAbort, { once: true })
  let position = 0

  return new ReadableStream<Uint8Array>({
    async start(controller) {
      const latest = await events.latestSequence()
      // A place that does not exist yet comes from another database.
      position = Math.min(lastSequence ?? latest, latest)
      if (position < latest) bell.ring('event')
      if (signal.aborted) bell.ring('end')
      controller.enqueue(encoder.encode(': subscribed\n\n'))
    },
    async pull(controller) {
      const text = await next()
      if (text !== undefined) return controller.enqueue(encoder.encode(text))
      end()
      return controller.close()
    },
    cancel: end,
  })

  async function next(): Promise<string | undefined> {
    for (;;) {
      const heard = await bell.wait()
      if (heard === 'end') return undefined
      if (heard === 'silence') return ': keep-alive\n\n'
      const text = await readOn()
      if (text !== '') return text
    }
  }

  async function readOn(): Promise<string> {
    const page = await events.after(position, userIdentifier)
    const last = page.at(-1)
    if (last === undefined) return ''
    position = last.sequence
    // There may be more than one page.
    bell.ring('event')
    return (await render(page)).join('')
  }

  function end(): void {
    unsubscribe()
    signal.removeEventListener('abort', onAbort)
    bell.ring('end')
  }
}

type Ring = 'event' | 'end'

/** Remembers that it was rung while nobody waited; once ended, it says so for ever. */
function createBell(silenceMs: number) {
  let rung: Ring | undefined
  let wake: (() => void) | undefined
  return {
    ring(what: Ring): void {
      if (rung !== 'end') rung = what
      wake?.()
    },
    async wait(): Promise<Ring | 'silence'> {
      if (rung === undefined) await woken()
      const heard = rung ?? 'silence'
      if (rung === 'event') rung = undefined
      return heard
    },
  }

  async function woken(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, silenceMs).unref()
    wake = resolve
    await promise
    clearTimeout(timer)
  }
}
