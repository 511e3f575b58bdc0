const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

/** As Standard Webhooks recommends: soon at first, then over about three days. */
const DELAYS_MS = [
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  10 * HOUR,
  10 * HOUR,
  10 * HOUR,
  10 * HOUR,
]
const JITTER = 0.2
const MAX_RETRY_AFTER_MS = 24 * HOUR

export interface RetryDelayOptions {
  /** How often it has been tried, the last one included. */
  readonly attempts: number
  /** What the receiver asked for, in milliseconds. */
  readonly retryAfterMs?: number | undefined
  /** A number from 0 to 1. */
  readonly random: number
}

/**
 * How long to wait before the next attempt, in milliseconds; undefined after the last one. Jitter only adds, so that
 * what failed together does not come back together, and nothing comes sooner than the receiver asked.
 */
export function retryDelay({ attempts, retryAfterMs = 0, random }: RetryDelayOptions): number | undefined {
  const delay = DELAYS_MS[attempts - 1]
  if (delay === undefined) return undefined
  return Math.round(Math.max(delay, Math.min(retryAfterMs, MAX_RETRY_AFTER_MS)) * (1 + JITTER * random))
}

/** Reads a `Retry-After` header (RFC 9110, section 10.2.3): seconds or a date. Milliseconds from `now` on. */
export function readRetryAfter(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined
  if (/^\d{1,9}$/.test(value.trim())) return Number(value) * SECOND
  const date = Date.parse(value)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
