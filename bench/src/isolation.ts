import { runIsolation } from '@latchkey/test/isolation'
import type { Benchmark } from './benchmark.ts'

const CALLS = 20_000

/** Many users at once on one gateway, and what reached whom. */
export const isolation: Benchmark = {
  name: 'isolation',
  title: `${CALLS} calls of 40 users, mixed with refreshes, revoked grants, new consents and restarts`,
  async run(say) {
    const report = await runIsolation({ calls: CALLS })
    for (const leak of new Set(report.leaks)) say(leak)
    return {
      'isolation.calls': report.calls,
      'isolation.leaks': report.leaks.length,
      'isolation.own_sightings': report.ownSightings,
    }
  },
}
