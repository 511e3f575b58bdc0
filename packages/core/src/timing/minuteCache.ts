import { abortion } from './abortion.ts'
import { SingleFlight } from './singleFlight.ts'
import type { Timing } from './timing.ts'

/** What is asked for once a minute at most, whoever wants it. For what belongs to no user. */
export interface MinuteCache<T> {
  /**
   * What is kept under this key, or what `fetch` gives: once for all who ask at the same time.
   *
   * @param key says what it is, such as `the MCP config named email-agent`.
   */
  get(key: string, signal: AbortSignal | undefined, fetch: (signal: AbortSignal) => Promise<T>): Promise<T>
  keep(key: string, value: T): void
  /** Nothing is known any more. */
  clear(): void
}

const KEEP_MS = 60_000
const MAX_KEPT = 1_000

export function createMinuteCache<T>(timing: Timing): MinuteCache<T> {
  const kept = new Map<string, { value: T; until: number }>()
  const flights = new SingleFlight<T>()
  const keep = (key: string, value: T) => {
    if (kept.size >= MAX_KEPT) kept.clear()
    kept.set(key, { value, until: timing.now() + KEEP_MS })
  }
  return {
    keep,
    clear: () => kept.clear(),
    async get(key, signal, fetch) {
      const known = kept.get(key)
      if (known && timing.now() < known.until) return known.value
      const fetching = flights.run(key, signal, async (shared) => {
        const value = await fetch(shared)
        keep(key, value)
        return value
      })
      return await fetching.catch((error: unknown) => {
        throw signal?.aborted ? abortion(signal, `looking for ${key}`) : error
      })
    },
  }
}
