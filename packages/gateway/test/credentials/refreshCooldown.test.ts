import { describe, expect, it } from 'vitest'
import { cooldownMs, coolsDownUntil } from '../../src/accounts/refreshCooldown.ts'

const NOW = Date.parse('2026-07-28T10:00:00.000Z')
const startedAt = new Date(NOW)

const failedAt = (milliseconds: number) => ({
  startedAt: undefined,
  failedAt: new Date(NOW + milliseconds),
  failures: 1,
})

describe('cooldownMs', () => {
  it.each([
    ['nothing failed', { failures: 0, startedAt: undefined }, true, 0],
    ['the token still works', { failures: 1, startedAt: undefined }, false, 30_000],
    ['the token has expired', { failures: 1, startedAt: undefined }, true, 5_000],
    ['it failed again', { failures: 2, startedAt: undefined }, true, 10_000],
    ['it fails for long', { failures: 50, startedAt: undefined }, true, 30_000],
    ['it is in doubt', { failures: 1, startedAt }, false, 1_000],
    ['it is in doubt again', { failures: 4, startedAt }, true, 8_000],
    ['it is in doubt for long', { failures: 50, startedAt }, true, 30_000],
  ])('is right when %s', (_case, state, isExpired, expected) => {
    expect(cooldownMs({ ...state, failedAt: new Date(NOW) }, isExpired)).toBe(expected)
  })
})

describe('coolsDownUntil', () => {
  it('is some time after the failure', () => {
    expect(coolsDownUntil(failedAt(-1_000), false, NOW)).toBe(NOW + 29_000)
    expect(coolsDownUntil({ startedAt: undefined, failedAt: undefined, failures: 0 }, false, NOW)).toBe(0)
  })

  it('T72: is never more than the cooldown away when another process has a clock that is wrong', () => {
    expect(coolsDownUntil(failedAt(600_000), false, NOW)).toBe(0)
    expect(coolsDownUntil(failedAt(-600_000), false, NOW)).toBeLessThan(NOW)
  })
})
