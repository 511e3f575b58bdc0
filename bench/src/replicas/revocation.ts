import { type Replica, type Replicas, startReplicas } from '@latchkey/test/fixtures'
import { setTimeout as delay } from 'node:timers/promises'
import type { Benchmark } from '../benchmark.ts'
import { median, quantile } from '../statistics.ts'

const REVOCATIONS = 300
const AT_ONCE = 6
const PAUSE_MS = 2

interface Target {
  readonly user: string
  readonly id: string
  readonly url: string
}

/** The ways to revoke, in turn; each through the first process, while the others are calling. */
const WAYS: readonly ((replica: Replica, target: Target) => Promise<unknown>)[] = [
  (replica, { id }) => replica.api('POST', `/api/v1/mcp/instances/${id}:rotate_url`, {}),
  (replica, { id }) => replica.api('DELETE', `/api/v1/mcp/instances/${id}`),
  (replica, { user }) => replica.api('POST', '/api/v1/users:revoke', { identifier: user }),
  (replica, { user }) =>
    replica.api('POST', '/api/v1/connected_accounts:delete', { connector: 'echo', identifier: user }),
]

/** From the answer to a revocation until every other process has answered no, with and without notifications. */
export const revocation: Benchmark = {
  name: 'revocation',
  title: `${REVOCATIONS} revocations while two other processes are calling, and as many with NOTIFY cut`,
  async run(say) {
    await using replicas = await startReplicas()
    const heard = await revokeMany(replicas, 'heard')
    say('the triggers that notify are disabled: only polling and expiry are left')
    for (const log of ['events', 'changes']) {
      await replicas.postgres.query(`alter table ${log} disable trigger all`, replicas.databaseUrl)
    }
    const cut = await revokeMany(replicas, 'cut')
    return {
      'revocation.samples': heard.length,
      'revocation.p50_ms': median(heard),
      'revocation.p99_ms': quantile(heard, 0.99),
      'revocation.max_ms': Math.max(...heard),
      'revocation.p50_ms_notify_cut': median(cut),
      'revocation.p99_ms_notify_cut': quantile(cut, 0.99),
      'revocation.max_ms_notify_cut': Math.max(...cut),
    }
  },
}

async function revokeMany(replicas: Replicas, name: string): Promise<number[]> {
  const samples: number[] = []
  let next = 0
  const worker = async () => {
    for (let index = next++; index < REVOCATIONS; index = next++) {
      const user = `${name}-${index}`
      const target = { user, ...(await replicas.connect(user)) }
      samples.push(...(await revokeOne(replicas, target, WAYS[index % WAYS.length]!)))
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return samples
}

/** Milliseconds for each of the other processes. */
async function revokeOne({ all }: Replicas, target: Target, way: (typeof WAYS)[number]): Promise<number[]> {
  const [first, ...others] = all
  if (first === undefined) throw new TypeError('There is no replica.')
  const denials = others.map(async (other) => await callUntilDenied(other, target.url))
  // By then each has remembered who this is.
  await delay(30)
  await way(first, target)
  const revokedAt = performance.now()
  return (await Promise.all(denials)).map((deniedAt) => Math.max(0, deniedAt - revokedAt))
}

/** When the first refusal came, by `performance.now()`. */
async function callUntilDenied(replica: Replica, url: string): Promise<number> {
  while ((await replica.call(url)).isDone) await delay(PAUSE_MS)
  return performance.now()
}
