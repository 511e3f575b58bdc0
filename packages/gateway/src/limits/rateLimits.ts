import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import type { LimitedBy, RateLimits } from '../services.ts'

/** So many in so many seconds. */
export interface RateLimit {
  readonly requests: number
  readonly seconds: number
}

/** For each kind of caller; undefined: not limited. */
export type RateLimitSettings = Readonly<Record<LimitedBy, RateLimit | undefined>>

/**
 * Far above what an app does that works, and below what would hurt others. Counted in each process by itself: with
 * several of them a caller may get so much from each.
 */
export const DEFAULT_RATE_LIMITS: RateLimitSettings = {
  address: { requests: 6_000, seconds: 60 },
  failure: { requests: 60, seconds: 60 },
  client: { requests: 30_000, seconds: 60 },
  user: { requests: 3_000, seconds: 60 },
  credential: { requests: 1_500, seconds: 60 },
}

export const NO_RATE_LIMITS: RateLimitSettings = {
  address: undefined,
  failure: undefined,
  client: undefined,
  user: undefined,
  credential: undefined,
}

/** Counts in memory; what is not heard of within its time is forgotten (security T73). */
export function createRateLimits(settings: RateLimitSettings): RateLimits {
  const limiters = {
    address: limiter(settings.address),
    failure: limiter(settings.failure),
    client: limiter(settings.client),
    user: limiter(settings.user),
    credential: limiter(settings.credential),
  }
  return {
    async take(by, key) {
      try {
        await limiters[by]?.consume(key)
        return undefined
      } catch (refusal) {
        if (refusal instanceof RateLimiterRes) return secondsOf(refusal)
        throw refusal
      }
    },
    async isUsedUp(by, key) {
      const state = await limiters[by]?.get(key)
      return state !== null && state !== undefined && state.remainingPoints <= 0 ? secondsOf(state) : undefined
    },
  }
}

function limiter(limit: RateLimit | undefined): RateLimiterMemory | undefined {
  return limit && new RateLimiterMemory({ points: limit.requests, duration: limit.seconds })
}

function secondsOf({ msBeforeNext }: RateLimiterRes): number {
  return Math.max(1, Math.ceil(msBeforeNext / 1000))
}
