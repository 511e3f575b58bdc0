import { runIsolation } from '@latchkey/test/isolation'
import type { Benchmark } from './benchmark.ts'

/** A flag makes it a million; the tests do 100,000 too. */
const CALLS = Number(process.env['LATCHKEY_ISOLATION_CALLS'] ?? 100_000)
const USERS = 200

/** Many users at once on one gateway, and what reached whom. */
export const isolation: Benchmark = {
  name: 'isolation',
  title: `${CALLS} calls of ${USERS} users, mixed with refreshes, revocations, new consents, streams and restarts`,
  async run(say) {
    const report = await runIsolation({
      calls: CALLS,
      users: USERS,
      onProgress: ({ calls, leaks }) => say(`${calls} calls, ${leaks} leaks`),
    })
    for (const leak of new Set(report.leaks)) say(leak)
    return {
      'isolation.calls': report.calls,
      'isolation.users': USERS,
      'isolation.leaks': report.leaks.length,
      'isolation.own_sightings': report.ownSightings,
    }
  },
}
