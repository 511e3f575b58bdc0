import { startReplicas } from '@latchkey/test/fixtures'
import type { Benchmark } from '../benchmark.ts'

const ROUNDS = 100
const CALLS = 1_000
const TWO_HOURS_MS = 7_200_000
const SLOW_MS = 30_000

/** Many calls at once on one expired grant, through three processes; the provider forgives no second use of a refresh token. */
export const refresh: Benchmark = {
  name: 'refresh',
  title: `${ROUNDS} rounds of ${CALLS} calls at once on an expired grant, over three processes on one Postgres`,
  async run(say) {
    await using replicas = await startReplicas()
    const { all, provider, advance } = replicas
    const { url } = await replicas.connect('ann')

    /** Gives how many token calls it took, and how many calls failed. */
    async function round(calls: number): Promise<{ tokenCalls: number; failed: number }> {
      await advance(TWO_HOURS_MS)
      const before = provider.counts.refreshes
      const results = await Promise.all(
        Array.from({ length: calls }, async (_, index) => await all[index % all.length]!.call(url)),
      )
      return {
        tokenCalls: provider.counts.refreshes - before,
        failed: results.filter(({ isDone }) => !isDone).length,
      }
    }

    const rounds: Awaited<ReturnType<typeof round>>[] = []
    for (let number = 1; number <= ROUNDS; number += 1) rounds.push(await round(CALLS))
    say(`one more round, in which the authorization server takes ${SLOW_MS / 1_000} s to answer`)
    provider.latencyMs = SLOW_MS
    const slow = await round(60)
    return {
      'refresh.rounds': ROUNDS,
      'refresh.calls_per_round': CALLS,
      'refresh.token_calls_per_expiry': rounds.reduce((sum, { tokenCalls }) => sum + tokenCalls, 0) / ROUNDS,
      'refresh.most_token_calls': Math.max(...rounds.map(({ tokenCalls }) => tokenCalls)),
      'refresh.failed_calls': rounds.reduce((sum, { failed }) => sum + failed, 0),
      'refresh.reuses': provider.counts.reuses,
      'refresh.token_calls_slow_server': slow.tokenCalls,
      'refresh.failed_calls_slow_server': slow.failed,
    }
  },
}
