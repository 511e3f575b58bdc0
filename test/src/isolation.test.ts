import { describe, expect, it } from 'vitest'
import { createLeakDetector } from './isolation/leakDetector.ts'
import { runIsolation } from './isolation/isolationRun.ts'
import { canaryOf } from './fixtures/index.ts'

describe('the isolation run', () => {
  it('lets nothing of one user reach another in 20,000 calls', { timeout: 240_000 }, async () => {
    const report = await runIsolation({ calls: 20_000 })
    expect(report.leaks).toEqual([])
    // The run proves something only if users saw their own data, and everything happened.
    expect(report.ownSightings).toBeGreaterThan(report.calls / 2)
    expect(Object.keys(report.actions).toSorted()).toEqual(
      ['abort', 'call', 'consent', 'list', 'pooled', 'refresh', 'revoke', 'stream'].toSorted(),
    )
  })

  it('lets nothing of one user reach another on Postgres', { timeout: 120_000 }, async () => {
    const report = await runIsolation({ calls: 2_000, users: 20, store: 'postgres' })
    expect(report.leaks).toEqual([])
    expect(report.ownSightings).toBeGreaterThan(report.calls / 2)
  })
})

describe('createLeakDetector', () => {
  it('finds another user’s data and credentials in what a user received', () => {
    const detector = createLeakDetector(['ann', 'bob'], ['mail'])
    detector.inspect('ann', `…${canaryOf('mail', 'ann')}…`)
    expect(detector.leaks).toEqual([])
    detector.inspect('ann', `…${canaryOf('mail', 'bob')}…`)
    detector.inspect('bob', `lkurl_${'x'.repeat(40)}`)
    expect(detector.leaks).toEqual(['ann received data of bob', 'bob received a credential'])
  })
})
