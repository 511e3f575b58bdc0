import { setImmediate as otherWork } from 'node:timers/promises'
import type { EventLog } from '../services.ts'
import type { LiveStream } from './liveStream.ts'

/** How many streams are told in one go: many streams of one user must not keep all others waiting. */
const TOLD_AT_ONCE = 500

const encoder = new TextEncoder()

/**
 * The open streams of one user. An event that is told only wakes it; then it reads on from where its streams are, once
 * for all that are at the same place. So nothing is lost or out of order, and a client that is slow, or comes back after
 * a while, is given what it missed when it takes more.
 */
export class UserTopic {
  readonly streams = new Set<LiveStream>()
  readonly #events: Pick<EventLog, 'after'>
  readonly #userIdentifier: string
  /** Where the log is known to have got to. */
  #latest = 0
  #reading: Promise<void> | undefined
  #isWoken = false

  constructor(events: Pick<EventLog, 'after'>, userIdentifier: string) {
    this.#events = events
    this.#userIdentifier = userIdentifier
  }

  get latest(): number {
    return this.#latest
  }

  /** The log has got so far, and some of it may be to be told. */
  wake(latest: number): void {
    this.#latest = Math.max(this.#latest, latest)
    this.#isWoken = true
    // Later, so that what is read for is known before its end can be.
    this.#reading ??= Promise.resolve().then(async () => await this.#readOn())
  }

  /** Resolves when nothing is left to be told. */
  async idle(): Promise<void> {
    await this.#reading
  }

  async #readOn(): Promise<void> {
    try {
      while (this.#isWoken) {
        this.#isWoken = false
        for (const [position, streams] of this.#behind()) await this.#tellOn(position, streams)
      }
    } catch {
      // A store that fails now is asked again at the next event or keep-alive.
    } finally {
      this.#reading = undefined
    }
  }

  #behind(): ReadonlyMap<number, readonly LiveStream[]> {
    const ready = [...this.streams].filter((stream) => stream.isReady && stream.position < this.#latest)
    return Map.groupBy(ready, ({ position }) => position)
  }

  async #tellOn(position: number, streams: readonly LiveStream[]): Promise<void> {
    const latest = this.#latest
    const page = await this.#events.after(position, this.#userIdentifier)
    // Where there is no more, the rest of the log up to here is other users'.
    const next = page.at(-1)?.sequence ?? latest
    const chunks = new Map<string, Uint8Array>()
    for (const [index, stream] of streams.entries()) {
      const { renderKey, render } = stream.subject
      const chunk = chunks.get(renderKey) ?? encoder.encode((await render(page)).join(''))
      chunks.set(renderKey, chunk)
      stream.position = next
      if (chunk.length > 0) stream.send(chunk)
      if (index % TOLD_AT_ONCE === TOLD_AT_ONCE - 1) await otherWork()
    }
    // There may be more than one page.
    if (next < this.#latest) this.#isWoken = true
  }
}
