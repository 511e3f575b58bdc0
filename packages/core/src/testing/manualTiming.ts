import type { Timing } from '../timing/timing.ts'

interface Timer {
  readonly callback: () => void
  readonly dueAt: number
  readonly delayMs: number
  readonly background: boolean
}

/**
 * A clock that moves when a test says so, beginning at 2026-01-01. Chance is always 0.
 *
 * @example
 * const timing = new ManualTiming()
 * const latchkey = createLatchkey({ backend, config: 'email-agent', timing })
 * const ready = latchkey.ready('user_123', { onAuthorizationRequired })
 * await timing.timerOf(5_000) // it polls in 5 s
 * timing.advance(5_000)
 */
export class ManualTiming implements Timing {
  #now = Date.parse('2026-01-01T00:00:00Z')
  readonly #timers = new Set<Timer>()
  readonly #awaited = new Set<() => void>()
  /** Every delay in milliseconds that was asked for, in order. */
  readonly delays: number[] = []

  now(): number {
    return this.#now
  }

  random(): number {
    return 0
  }

  setTimer(callback: () => void, delayMs: number, { background = false }: { background?: boolean } = {}): () => void {
    const timer = { callback, dueAt: this.#now + delayMs, delayMs, background }
    this.#timers.add(timer)
    this.delays.push(delayMs)
    for (const check of this.#awaited) check()
    return () => this.#timers.delete(timer)
  }

  /** How many timers are set that would keep the process alive. */
  get pending(): number {
    return [...this.#timers].filter((timer) => !timer.background).length
  }

  /** Lets time pass, and calls back what falls due, in order. */
  advance(ms: number): void {
    const until = this.#now + ms
    for (;;) {
      const due = this.#earliest((timer) => timer.dueAt <= until)
      if (!due) break
      this.#timers.delete(due)
      this.#now = due.dueAt
      due.callback()
    }
    this.#now = until
  }

  /** Resolves as soon as a timer of this delay is set. */
  async timerOf(delayMs: number): Promise<void> {
    await this.#until(() => this.#earliest((timer) => timer.delayMs === delayMs) !== undefined)
  }

  /**
   * Gives what the promise gives. Until then, whenever a timer of at most `maxDelayMs` is set, lets the time pass that it
   * takes: pauses between attempts and polls end at once, deadlines do not.
   */
  async passing<T>(promise: Promise<T>, maxDelayMs = 9_000): Promise<T> {
    const progress = { isSettled: false }
    const next = () => this.#earliest(({ background, delayMs }) => !background && delayMs <= maxDelayMs)
    const settled = promise.finally(() => {
      progress.isSettled = true
      for (const check of this.#awaited) check()
    })
    settled.catch(() => {})
    while (!progress.isSettled) {
      await this.#until(() => progress.isSettled || next() !== undefined)
      const timer = progress.isSettled ? undefined : next()
      if (timer) this.advance(timer.dueAt - this.#now)
      // What was called back goes on before more time passes.
      await new Promise((resolve) => setImmediate(resolve))
    }
    return await settled
  }

  #earliest(matches: (timer: Timer) => boolean): Timer | undefined {
    return [...this.#timers].filter(matches).toSorted((a, b) => a.dueAt - b.dueAt)[0]
  }

  async #until(isSo: () => boolean): Promise<void> {
    if (isSo()) return
    await new Promise<void>((resolve) => {
      const check = () => {
        if (!isSo()) return
        this.#awaited.delete(check)
        resolve()
      }
      this.#awaited.add(check)
    })
  }
}
