import type { RefreshState } from '../store/store.ts'

/** How long a failure speaks for all who ask, at the longest, in milliseconds (security T63). */
const COOLDOWN_MS = 30_000
/** After the first failure, where the user cannot work meanwhile. Doubles with every further one. */
const FIRST_COOLDOWN_MS = 5_000
/** After the first failure that leaves it in doubt whether the grant was renewed: servers forgive that for seconds only. */
const FIRST_DOUBT_MS = 1_000

/**
 * How long after a failed refresh nobody asks again, in milliseconds; 0 where none has failed. It is short only where
 * waiting costs something: of a token that still works, nobody notices the thirty seconds.
 */
export function cooldownMs({ startedAt, failures }: RefreshState, isExpired: boolean): number {
  if (failures === 0) return 0
  const inDoubt = startedAt !== undefined
  if (!inDoubt && !isExpired) return COOLDOWN_MS
  return Math.min(COOLDOWN_MS, (inDoubt ? FIRST_DOUBT_MS : FIRST_COOLDOWN_MS) * 2 ** (failures - 1))
}

/** Until when, in milliseconds since the epoch. A failure in the future was noted by a clock that is wrong: it is none. */
export function coolsDownUntil(state: RefreshState, isExpired: boolean, now: number): number {
  if (state.failedAt === undefined) return 0
  const wait = cooldownMs(state, isExpired)
  const until = state.failedAt.getTime() + wait
  return until - now > wait ? 0 : until
}
