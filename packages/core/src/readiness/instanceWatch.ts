import type { Backend } from '../backends/backend.ts'
import { LatchkeyError } from '../errors.ts'
import { sleep } from '../timing/sleep.ts'
import type { Timing } from '../timing/timing.ts'
import type { ConnectionState } from './connectionState.ts'

/** What one reading of the service gave. `extra` is whatever the reader wants to keep with it. */
export interface Reading<T> {
  readonly states: readonly ConnectionState[]
  readonly extra: T
}

export interface WatchOptions<T> {
  readonly instanceId: string
  readonly backend: Pick<Backend, 'statusEvents'>
  /** Asks the service, once. Never mints links. */
  readonly read: (signal: AbortSignal) => Promise<Reading<T>>
  readonly timing: Timing
  /** Called when the last listener has left. A watch is not used again after that. */
  readonly onIdle?: () => void
}

export interface WatchListener<T> {
  onReading(reading: Reading<T>): void
  /** The service says that asking again is of no use: it refused the credentials or does not know the instance. */
  onRefused(error: LatchkeyError): void
}

/** Never read faster than this without an event, however long the wait and however often the stream breaks. */
const MIN_READ_MS = 5_000
const FIRST_POLL_MS = MIN_READ_MS
const MAX_POLL_MS = 30_000
const POLL_GROWTH = 1.5
const FIRST_REOPEN_MS = 250
const MAX_REOPEN_MS = 30_000
/** A stream that lived this long works, even if nothing happened meanwhile. */
const STEADY_STREAM_MS = 5_000

/**
 * Follows the state of one instance for everybody who waits for it: pushed events and a slow poll, each of which makes
 * one reading. The event itself decides nothing, so one that is late, repeated or wrong does no harm, and one that is
 * lost is made up for by the poll. It runs while somebody listens.
 */
export class InstanceWatch<T> {
  readonly #options: WatchOptions<T>
  readonly #listeners = new Set<WatchListener<T>>()
  #stop: AbortController | undefined
  #reading = false
  #readAgain = false
  #lastReadAt = Number.NEGATIVE_INFINITY
  #isReadScheduled = false

  constructor(options: WatchOptions<T>) {
    this.#options = options
  }

  /** Begins to listen; gives what ends it. */
  subscribe(listener: WatchListener<T>): () => void {
    this.#listeners.add(listener)
    if (this.#stop) {
      // What changed since this listener last looked may have been told to the others already.
      void this.#read(this.#stop.signal)
    } else this.#stop = this.#start()
    return () => {
      if (!this.#listeners.delete(listener) || this.#listeners.size > 0) return
      this.#stop?.abort(new LatchkeyError('aborted', 'nobody waits any more'))
      this.#options.onIdle?.()
    }
  }

  #start(): AbortController {
    const stop = new AbortController()
    // Both loops end by throwing the reason of `stop`, and by nothing else.
    this.#poll(stop.signal).catch(() => {})
    this.#listen(stop.signal).catch(() => {})
    return stop
  }

  async #poll(signal: AbortSignal): Promise<never> {
    const { timing } = this.#options
    for (let delayMs = FIRST_POLL_MS; ; delayMs = Math.min(MAX_POLL_MS, delayMs * POLL_GROWTH)) {
      // Jitter only adds, so that many waiters spread and none is faster than it may be.
      await sleep(timing, delayMs * (1 + 0.2 * timing.random()), signal)
      await this.#readPaced(signal)
    }
  }

  async #listen(signal: AbortSignal): Promise<void> {
    const { backend, instanceId, timing } = this.#options
    if (!backend.statusEvents) return
    let lastEventId: string | undefined
    let reopenMs = FIRST_REOPEN_MS
    // The first opening, and the first after an event, are worth a reading at once.
    let isReadDue = true
    for (;;) {
      let openedAt: number | undefined
      const onOpen = () => {
        openedAt = timing.now()
        // What happened before the stream was open is not in it.
        void (isReadDue ? this.#read(signal) : this.#readPaced(signal))
        isReadDue = false
      }
      try {
        for await (const event of backend.statusEvents(instanceId, { signal, lastEventId, onOpen })) {
          lastEventId = event.id ?? lastEventId
          reopenMs = FIRST_REOPEN_MS
          isReadDue = true
          void this.#read(signal)
        }
        if (openedAt === undefined) return
      } catch {
        // A broken stream is opened again, and meanwhile the poll goes on.
      }
      if (openedAt !== undefined && timing.now() - openedAt >= STEADY_STREAM_MS) reopenMs = FIRST_REOPEN_MS
      await sleep(timing, reopenMs * (1 + timing.random()), signal)
      reopenMs = Math.min(MAX_REOPEN_MS, reopenMs * 2)
    }
  }

  /** Reads as soon as the last reading began long enough ago. Never throws. */
  async #readPaced(signal: AbortSignal): Promise<void> {
    if (this.#isReadScheduled) return
    const { timing } = this.#options
    const waitMs = this.#lastReadAt + MIN_READ_MS - timing.now()
    if (waitMs <= 0) return this.#read(signal)
    this.#isReadScheduled = true
    try {
      await sleep(timing, waitMs, signal)
      this.#isReadScheduled = false
      // An event may have led to a reading meanwhile.
      await this.#readPaced(signal)
    } catch {
      // Nobody waits any more.
    }
  }

  /** One reading at a time; what asks for one meanwhile shares the next. Never throws. */
  async #read(signal: AbortSignal): Promise<void> {
    if (this.#reading) {
      this.#readAgain = true
      return
    }
    this.#reading = true
    try {
      do {
        this.#readAgain = false
        await this.#readOnce(signal)
      } while (this.#readAgain && !signal.aborted)
    } finally {
      this.#reading = false
    }
  }

  async #readOnce(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    this.#lastReadAt = this.#options.timing.now()
    try {
      const reading = await this.#options.read(signal)
      if (!signal.aborted) this.#tell((listener) => listener.onReading(reading))
    } catch (error) {
      // A service that cannot be reached may be back before the deadline.
      if (!signal.aborted && isRefusal(error)) this.#tell((listener) => listener.onRefused(error))
    }
  }

  /** A listener may leave while it is told. */
  #tell(what: (listener: WatchListener<T>) => void): void {
    const listeners = Array.from(this.#listeners)
    for (const listener of listeners) what(listener)
  }
}

function isRefusal(error: unknown): error is LatchkeyError {
  return error instanceof LatchkeyError && ['unauthorized', 'rejected', 'unknown_config'].includes(error.code)
}
