/**
 * Where time and chance come from. A seam: a test passes its own and never sleeps.
 */
export interface Timing {
  /** Milliseconds since the epoch. */
  now(): number
  /**
   * Calls back once after `delayMs` milliseconds, unless the returned canceller was called. A `background` timer does
   * not keep the process alive.
   */
  setTimer(callback: () => void, delayMs: number, options?: { background?: boolean }): () => void
  /** From 0 up to but not including 1. */
  random(): number
}

/** The longest delay that `setTimeout` takes; a longer one would fire at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1

/** The machine's clock, timers and chance. */
export const systemTiming: Timing = Object.freeze({
  now: () => Date.now(),
  setTimer(callback: () => void, delayMs: number, { background = false }: { background?: boolean } = {}) {
    const timer = setTimeout(callback, Math.min(delayMs, MAX_TIMER_MS))
    if (background) timer.unref()
    return () => clearTimeout(timer)
  },
  random: () => Math.random(),
})
