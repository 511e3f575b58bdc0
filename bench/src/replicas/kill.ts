import { type Replica, type Replicas, startReplicas } from '@latchkey/test/fixtures'
import { setTimeout as delay } from 'node:timers/promises'
import type { Benchmark } from '../benchmark.ts'

/** Fewer for a first look on a slow machine; the figures say how many there were. */
const KILLS = Number(process.env['BENCH_KILLS'] ?? 200)
const USERS = 40
const CALLERS = 8
const GRACE_MS = 10_000
/** So short that each user's token is renewed about once a second. */
const TOKEN_SECONDS = 2
const LATENCY_MS = 40

/** What was acknowledged, and so must be there in the end. */
interface Acknowledged {
  /** User → instance id. */
  readonly instances: Map<string, string>
  /** User → URL of whoever has consented. */
  readonly grants: Map<string, string>
}

/** `kill -9` at random under load; the authorization server forgives a second use of a refresh token for ten seconds. */
export const kill: Benchmark = {
  name: 'kill',
  title: `kill -9 at random ${KILLS} times under load, three processes on one Postgres, a grace of ${GRACE_MS / 1_000} s`,
  async run(say) {
    await using replicas = await startReplicas({ graceMs: GRACE_MS, accessTokenTtlSeconds: TOKEN_SECONDS })
    const { provider } = replicas
    const known: Acknowledged = { instances: new Map(), grants: new Map() }
    for (let user = 0; user < USERS; user += 1) await connect(replicas, known, `user-${user}`)
    provider.latencyMs = LATENCY_MS
    const over = new AbortController()
    const load = [
      ...Array.from({ length: CALLERS }, async (_, index) => await callOn(replicas, known, index, over.signal)),
      ensureOn(replicas, known, over.signal),
      consentOn(replicas, known, over.signal),
    ]
    await killOn(replicas, say)
    over.abort()
    await Promise.all(load)
    const { forgiven, refreshes } = provider.counts
    say(`${refreshes} refreshes, ${forgiven} of them in doubt and forgiven; ${known.grants.size} grants`)
    return {
      'kill.kills': KILLS,
      'kill.refreshes': refreshes,
      'kill.forgiven': forgiven,
      'kill.writes': known.instances.size + known.grants.size,
      'kill.lost_writes': await lostWrites(replicas, known),
      'kill.lost_grants': await lostGrants(replicas, known),
    }
  },
}

/** One after the other dies, a moment after the last one; each is started again at once, while the others go on. */
async function killOn({ all }: Replicas, say: (line: string) => void): Promise<void> {
  const starting = new Set<Promise<void>>()
  for (let kills = 0; kills < KILLS;) {
    await delay(20 + Math.random() * 400)
    const up = all.filter((replica) => replica.isUp())
    const victim = up[Math.floor(Math.random() * up.length)]
    // One is left, so that there is load.
    if (victim === undefined || up.length < 2) continue
    await victim.kill()
    kills += 1
    if (kills % 50 === 0) say(`${kills} kills`)
    const start = victim.restart().finally(() => starting.delete(start))
    starting.add(start)
  }
  await Promise.all(starting)
}

/** Calls for one user after the other; each call on whichever is up. What a dying process does not answer is not counted. */
async function callOn(replicas: Replicas, { grants }: Acknowledged, from: number, over: AbortSignal): Promise<void> {
  for (let turn = from; !over.aborted; turn += 1) {
    const urls = [...grants.values()]
    await tryAny(replicas, async (replica) => await replica.call(urls[turn % urls.length]!))
    await delay(5)
  }
}

async function ensureOn(replicas: Replicas, { instances }: Acknowledged, over: AbortSignal): Promise<void> {
  for (let number = 0; !over.aborted; number += 1) {
    const user = `ensured-${number}`
    const made = await tryAny(replicas, async (replica) => await replicas.ensure(replica, user))
    if (made !== undefined) instances.set(user, made.id)
    await delay(10)
  }
}

async function consentOn(replicas: Replicas, known: Acknowledged, over: AbortSignal): Promise<void> {
  for (let number = 0; !over.aborted; number += 1) {
    // A consent that was cut off was not acknowledged.
    await connect(replicas, known, `consented-${number}`).catch(() => {})
    await delay(200)
  }
}

async function connect(replicas: Replicas, { instances, grants }: Acknowledged, user: string): Promise<void> {
  const up = replicas.all.find((replica) => replica.isUp())
  if (up === undefined) return
  const { id, url } = await replicas.ensure(up, user)
  instances.set(user, id)
  await replicas.consent(await replicas.linkOf(up, id))
  grants.set(user, url)
}

async function tryAny<T>({ all }: Replicas, task: (replica: Replica) => Promise<T>): Promise<T | undefined> {
  const up = all.filter((replica) => replica.isUp())
  const one = up[Math.floor(Math.random() * up.length)]
  return one === undefined ? undefined : await task(one).catch(() => undefined)
}

/** A connection that was closed just now says nothing of what was asked. Undefined where it says nothing for long. */
async function insist<T>(task: () => Promise<T>): Promise<T | undefined> {
  for (let tries = 0; tries < 5; tries += 1) {
    const result = await task().catch(() => undefined)
    if (result !== undefined) return result
    await delay(100)
  }
  return undefined
}

/** Each instance is there, as it was acknowledged, whoever is asked. */
async function lostWrites({ all }: Replicas, { instances }: Acknowledged): Promise<number> {
  let lost = 0
  let turn = 0
  for (const [user, id] of instances) {
    turn += 1
    const found = await insist(async () => await all[turn % all.length]!.api('GET', `/api/v1/mcp/instances/${id}`))
    if (!JSON.stringify(found ?? {}).includes(`"user_identifier":"${user}"`)) lost += 1
  }
  return lost
}

/** Every token has expired, so each call needs a refresh, and what that gave once more. */
async function lostGrants({ all, provider }: Replicas, { grants }: Acknowledged): Promise<number> {
  provider.latencyMs = 0
  let lost = 0
  for (let round = 0; round < 2; round += 1) {
    await delay((TOKEN_SECONDS + 1) * 1_000)
    const results = await Promise.all(
      [...grants.values()].map(async (url, index) => await insist(async () => await all[index % 3]!.call(url))),
    )
    lost = Math.max(lost, results.filter((result) => result?.isDone !== true).length)
  }
  return lost
}
