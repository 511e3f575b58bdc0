import { describe, expect, it } from 'vitest'
import { createLeakDetector } from './isolation/leakDetector.ts'
import { runIsolation } from './isolation/isolationRun.ts'
import { canaryOf } from './fixtures/index.ts'

/** As many as a flag says; a million take as many times longer. */
const CALLS = Number(process.env['LATCHKEY_ISOLATION_CALLS'] ?? 100_000)

describe('the isolation run', () => {
  it(`lets nothing of one user reach another in ${CALLS} calls of 200`, { timeout: CALLS * 9 }, async () => {
    const report = await runIsolation({ calls: CALLS })
    expect(report.leaks).toEqual([])
    // The run proves something only if users saw their own data, and everything happened.
    expect(report.ownSightings).toBeGreaterThan(report.calls / 2)
    expect(Object.keys(report.actions).toSorted()).toEqual(ACTIONS)
  })

  it('lets nothing of one user reach another on Postgres', { timeout: 120_000 }, async () => {
    const report = await runIsolation({ calls: 5_000, users: 30, store: 'postgres', seed: 2 })
    expect(report.leaks).toEqual([])
    expect(report.ownSightings).toBeGreaterThan(report.calls / 2)
  })
})

const ACTIONS = [
  'abort',
  'call',
  'item',
  'list',
  'listen',
  'pooled',
  'reconnect',
  'refresh',
  'revoke',
  'revokeUser',
  'rotate',
  'stream',
]

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
