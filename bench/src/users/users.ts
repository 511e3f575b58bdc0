import { setTimeout as delay } from 'node:timers/promises'
import * as z from 'zod'
import { createLatchkey, type Latchkey } from '@latchkey/core'
import type { Benchmark, Figures } from '../benchmark.ts'
import { type Child, startChild } from '../childProcess.ts'
import { message } from '../relay/message.ts'
import { sizeOf } from '../size.ts'
import { median, quantile, time } from '../statistics.ts'

const USERS = sizeOf('BENCH_USERS', 10_000)
const WARM_UP_USERS = 500
const REQUESTS_AT_ONCE = 16
/** Longer than sockets are kept that nobody uses. */
const IDLE_MS = 10_000
const SAMPLES = 200

const startedSchema = z.object({ url: z.string() })
const stateSchema = z.object({ rssKb: z.number(), heapKb: z.number(), sockets: z.number() })
const openedSchema = z.object({ opened: z.number() })
const closedSchema = z.object({ closed: z.literal(true) })

type State = z.infer<typeof stateSchema>

/**
 * Users on one process, each with an instance, an ACTIVE account and an endpoint that one call was made through; then
 * nothing for ten seconds. `idle_kb` is by how much the process grew for each of them, the rows of an in-memory database
 * included. Then the same with one open `subscriptions/listen` stream each.
 */
export const users: Benchmark = {
  name: 'users',
  title: `${USERS} users with an open endpoint each on one process: memory, sockets, and the first call after idling`,
  async run(say) {
    const clientSecret = crypto.randomUUID()
    using upstream = startChild(new URL('./upstreamProcess.ts', import.meta.url), {})
    const { url: upstreamUrl } = await upstream.next(startedSchema)
    const environment = { BENCH_CLIENT_SECRET: clientSecret, BENCH_UPSTREAM_URL: upstreamUrl }
    using gateway = startChild(new URL('./gatewayProcess.ts', import.meta.url), environment)
    const { url } = await gateway.next(startedSchema)
    using listeners = startChild(new URL('./listenersProcess.ts', import.meta.url), {})
    await listeners.next(z.object({ started: z.literal(true) }))
    await using latchkey = createLatchkey({ url, clientId: 'bench', clientSecret, config: 'agent' })

    await openEndpoints(latchkey, 'warm-up', WARM_UP_USERS)
    const before = await stateAfterIdling(gateway)
    const urls = await openEndpoints(latchkey, 'user', USERS)
    const busy = await stateOf(gateway)
    const idle = await stateAfterIdling(gateway)
    const afterIdle = await timeCalls(urls)
    const woken = await timeCalls(urls)
    say(`${USERS} endpoints were called once; now each gets a stream`)
    listeners.send({ open: urls })
    await listeners.next(openedSchema)
    const listening = await stateAfterIdling(gateway)
    listeners.send({ close: true })
    await listeners.next(closedSchema)
    const closed = await stateAfterIdling(gateway)
    return {
      'users.users': USERS,
      ...growth('users.idle', before, idle),
      'users.sockets_busy': busy.sockets,
      'users.sockets_idle': idle.sockets,
      'users.first_call_p50_ms': median(afterIdle),
      'users.first_call_p99_ms': quantile(afterIdle, 0.99),
      'users.second_call_p50_ms': median(woken),
      ...growth('users.listening', before, listening),
      'users.sockets_listening': listening.sockets,
      'users.sockets_closed': closed.sockets,
    }
  },
}

function growth(name: string, before: State, after: State): Figures {
  return {
    [`${name}_kb`]: (after.rssKb - before.rssKb) / USERS,
    [`${name}_heap_kb`]: (after.heapKb - before.heapKb) / USERS,
  }
}

/** Gives each user's URL, after one call through it. */
async function openEndpoints(latchkey: Latchkey, prefix: string, count: number): Promise<readonly string[]> {
  const urls: string[] = []
  const waiting = Array.from({ length: count }, (_, index) => index).values()
  const worker = async (): Promise<void> => {
    for (const index of waiting) {
      const url = await latchkey.mcpUrl(`${prefix}-${index}`)
      await call(url)
      urls.push(url)
    }
  }
  await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, worker))
  return urls
}

async function call(url: string): Promise<void> {
  const answer = await message(url, 'tools/call', { name: 'ping', arguments: {} })()
  if (!answer.includes('pong')) throw new Error('The call gave another answer.')
}

/** One after the other, of users spread over all of them. */
async function timeCalls(urls: readonly string[]): Promise<readonly number[]> {
  const step = Math.max(1, Math.floor(urls.length / SAMPLES))
  return await time(Math.min(SAMPLES, urls.length), async (run) => await call(urls[run * step] ?? ''))
}

async function stateAfterIdling(gateway: Child): Promise<State> {
  await delay(IDLE_MS)
  return await stateOf(gateway)
}

async function stateOf(gateway: Child): Promise<State> {
  gateway.send({})
  return await gateway.next(stateSchema)
}
