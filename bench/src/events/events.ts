import * as z from 'zod'
import type { Benchmark } from '../benchmark.ts'
import { sizeOf } from '../size.ts'
import { median, quantile } from '../statistics.ts'
import { type Child, startChild } from '../childProcess.ts'

const STREAMS = sizeOf('BENCH_STREAMS', 10_000)
const WARM_UP_STREAMS = 200
const ROUNDS = 5
const REQUESTS_AT_ONCE = 16

const memorySchema = z.object({ rssKb: z.number(), heapKb: z.number() })
const toldSchema = z.object({ toldAt: z.array(z.number()) })
const openedSchema = z.object({ opened: z.number() })
const closedSchema = z.object({ closed: z.literal(true) })

/**
 * Open event streams on one process, held by another. `kb_per_stream` is what the gateway's process grew by, after
 * garbage collection. `last_told_ms`: all streams are one user's, from the request that changes an account until the last
 * stream has the event. `own_told_ms`: each stream is another user's and each user's account changes once; from its own
 * request until its own event, while all the others change too.
 */
export const events: Benchmark = {
  name: 'events',
  title: `${STREAMS} open event streams on one process: memory of each, and how soon the last one is told of a change`,
  async run(say) {
    const clientSecret = crypto.randomUUID()
    using gateway = startChild(new URL('./gatewayProcess.ts', import.meta.url), { BENCH_CLIENT_SECRET: clientSecret })
    const { url } = await gateway.next(z.object({ url: z.string() }))
    const api = await connect(url, clientSecret)
    using listeners = startChild(new URL('./listenersProcess.ts', import.meta.url), {
      BENCH_URL: url,
      BENCH_TOKEN: api.token,
    })
    await listeners.next(z.object({ started: z.literal(true) }))

    await tellOneUser(listeners, api, 'warm-up', WARM_UP_STREAMS)
    await closeAll(listeners)
    const before = await memoryOf(gateway)
    const lastTold: number[] = []
    let after = before
    for (let round = 0; round < ROUNDS; round += 1) {
      const onceOpen = async () => {
        if (round === 0) after = await memoryOf(gateway)
      }
      lastTold.push(await tellOneUser(listeners, api, `crowd-${round}`, STREAMS, onceOpen))
      await closeAll(listeners)
    }
    say(`${ROUNDS} times ${STREAMS} streams of one user; then ${STREAMS} users with one stream each`)
    const own = await tellEachUser(listeners, api)
    return {
      'events.streams': STREAMS,
      'events.kb_per_stream': (after.rssKb - before.rssKb) / STREAMS,
      'events.heap_kb_per_stream': (after.heapKb - before.heapKb) / STREAMS,
      'events.last_told_ms': median(lastTold),
      'events.last_told_worst_ms': Math.max(...lastTold),
      'events.own_told_p50_ms': median(own.toldMs),
      'events.own_told_p99_ms': quantile(own.toldMs, 0.99),
      'events.changes_per_s': own.perSecond,
    }
  },
}

interface Api {
  readonly token: string
  /** Gives the user an account, which then can change. */
  prepare(user: string): Promise<void>
  /** Changes the status of the user's account. */
  change(user: string): Promise<void>
}

async function connect(url: string, clientSecret: string): Promise<Api> {
  const form = { grant_type: 'client_credentials', client_id: 'bench', client_secret: clientSecret }
  const answer = await fetch(`${url}/oauth/token`, { method: 'POST', body: new URLSearchParams(form) })
  const { access_token: token } = z.object({ access_token: z.string() }).parse(await answer.json())
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  async function post(path: string, body: object): Promise<void> {
    const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) })
    const text = await response.text()
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`)
  }
  return {
    token,
    prepare: async (user) => await post('/api/v1/mcp/instances', ensureRequest(user)),
    change: async (user) => await post('/api/v1/connected_accounts:delete', { connector: 'mail', identifier: user }),
  }
}

function ensureRequest(user: string) {
  return { config_name: 'agent', user_identifier: user, include_auth_state: true }
}

/** Milliseconds from the request until the last stream was told. */
async function tellOneUser(
  listeners: Child,
  api: Api,
  user: string,
  streams: number,
  onceOpen: () => Promise<void> = async () => {},
): Promise<number> {
  await api.prepare(user)
  listeners.send({ open: Array.from({ length: streams }, () => user) })
  await listeners.next(openedSchema)
  await onceOpen()
  const askedAt = now()
  await api.change(user)
  const { toldAt } = await listeners.next(toldSchema)
  return Math.max(...toldAt) - askedAt
}

async function tellEachUser(listeners: Child, api: Api): Promise<{ toldMs: number[]; perSecond: number }> {
  const users = Array.from({ length: STREAMS }, (_, index) => `user-${index}`)
  await inTurns(users, async (user) => await api.prepare(user))
  listeners.send({ open: users })
  await listeners.next(openedSchema)
  const askedAt = new Map<string, number>()
  const began = now()
  await inTurns(users, async (user) => {
    askedAt.set(user, now())
    await api.change(user)
  })
  const { toldAt } = await listeners.next(toldSchema)
  return {
    toldMs: users.map((user, index) => (toldAt[index] ?? 0) - (askedAt.get(user) ?? 0)),
    perSecond: STREAMS / ((Math.max(...toldAt) - began) / 1000),
  }
}

async function inTurns(users: readonly string[], task: (user: string) => Promise<void>): Promise<void> {
  const waiting = users.values()
  const worker = async (): Promise<void> => {
    for (const user of waiting) await task(user)
  }
  await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, worker))
}

async function closeAll(listeners: Child): Promise<void> {
  listeners.send({ close: true })
  await listeners.next(closedSchema)
}

async function memoryOf(gateway: Child): Promise<z.infer<typeof memorySchema>> {
  gateway.send({})
  return await gateway.next(memorySchema)
}

function now(): number {
  return performance.timeOrigin + performance.now()
}
