import { sleep } from '../timing/sleep.ts'
import type { Timing } from '../timing/timing.ts'

const ATTEMPTS = 3
const FIRST_DELAY_MS = 100
/** A service that asks for more patience than this is reported instead. */
const MAX_RETRY_AFTER_MS = 5_000

/** An attempt that may be made again. */
export class Retryable extends Error {
  readonly error: Error
  readonly retryAfterMs: number | undefined

  constructor(error: Error, retryAfterMs?: number) {
    super(error.message)
    this.error = error
    this.retryAfterMs = retryAfterMs
  }
}

/** Makes up to three attempts, with jitter between them, as long as each throws `Retryable`. */
export async function retry<T>(timing: Timing, signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
  for (let made = 1; ; made += 1) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof Retryable)) throw error
      const delayMs = error.retryAfterMs ?? FIRST_DELAY_MS * 2 ** (made - 1) * (0.5 + timing.random())
      if (made === ATTEMPTS || delayMs > MAX_RETRY_AFTER_MS) throw error.error
      await sleep(timing, delayMs, signal)
    }
  }
}

/** A `Retry-After` header in milliseconds: seconds, or an HTTP date (RFC 9110, section 10.2.3). */
export function parseRetryAfter(header: string | null, now: number): number | undefined {
  if (header === null) return undefined
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1_000 : Date.parse(header) - now
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined
}
