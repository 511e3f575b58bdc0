import { createLatchkey } from '@latchkey/core'
import { setTimeout as delay } from 'node:timers/promises'
import * as z from 'zod'
import type { Benchmark } from '../benchmark.ts'
import { startChild } from '../childProcess.ts'
import { message } from '../relay/message.ts'
import { sizeOf } from '../size.ts'
import { median, quantile, time } from '../statistics.ts'

const BLOCKS = sizeOf('BENCH_NOISY_BLOCKS', 6)
const USERS = 8
const CALLS_PER_BLOCK = 50
/** Between two calls of one user. */
const PAUSE_MS = 90
/** For what was under way to end. */
const SETTLE_MS = 500
const WARM_UP_CALLS = 50

const startedSchema = z.object({ url: z.string() })
const noiseSchema = z.object({ sent: z.number(), refused: z.number() })

/**
 * Eight users who call ten times a second each, alone and beside a ninth who calls five hundred times a second and so is
 * refused most of the time, in turns (security T73). Each has an address of its own.
 */
export const noisy: Benchmark = {
  name: 'noisy',
  title: `how long ${USERS} users' calls take beside an agent that has run wild, over the same without it`,
  async run(say) {
    const clientSecret = crypto.randomUUID()
    using upstream = startChild(new URL('../users/upstreamProcess.ts', import.meta.url), {})
    const { url: upstreamUrl } = await upstream.next(startedSchema)
    const environment = { BENCH_CLIENT_SECRET: clientSecret, BENCH_UPSTREAM_URL: upstreamUrl }
    using gateway = startChild(new URL('./gatewayProcess.ts', import.meta.url), environment)
    const { url } = await gateway.next(startedSchema)
    using noise = startChild(new URL('./noiseProcess.ts', import.meta.url), {})
    await noise.next(z.object({ started: z.literal(true) }))
    await using latchkey = createLatchkey({ url, clientId: 'bench', clientSecret, config: 'agent' })
    const calls = await Promise.all(Array.from({ length: USERS }, async (_, user) => await callOf(latchkey, user)))
    const wildUrl = await latchkey.mcpUrl('wild')

    for (const call of calls) await time(WARM_UP_CALLS, call)
    const samples = { quiet: [] as number[], noisy: [] as number[] }
    const total = { sent: 0, refused: 0 }
    for (let block = 0; block < BLOCKS; block += 1) {
      samples.quiet.push(...(await timeCalls(calls)))
      noise.send({ url: wildUrl })
      samples.noisy.push(...(await timeCalls(calls)))
      noise.send({ stop: true })
      const { sent, refused } = await noise.next(noiseSchema)
      total.sent += sent
      total.refused += refused
      await delay(SETTLE_MS)
    }
    say(`the wild one called ${total.sent} times and was refused ${total.refused} times; the others never`)
    return {
      'noisy.p50_ms': median(samples.noisy),
      'noisy.p99_ms': quantile(samples.noisy, 0.99),
      'noisy.p50_over_quiet': median(samples.noisy) / median(samples.quiet),
      'noisy.p99_over_quiet': quantile(samples.noisy, 0.99) / quantile(samples.quiet, 0.99),
      'noisy.refused_share': total.refused / total.sent,
    }
  },
}

async function callOf(latchkey: ReturnType<typeof createLatchkey>, user: number): Promise<() => Promise<unknown>> {
  const url = await latchkey.mcpUrl(`quiet-${user}`)
  return message(url, 'tools/call', { name: 'ping', arguments: {} }, { 'x-forwarded-for': `10.0.1.${user}` })
}

/** All users at once, each with pauses; what is refused fails. */
async function timeCalls(calls: readonly (() => Promise<unknown>)[]): Promise<readonly number[]> {
  const samples = calls.map(async (call, user) => {
    await delay((PAUSE_MS / calls.length) * user)
    const ofUser: number[] = []
    for (let run = 0; run < CALLS_PER_BLOCK; run += 1) {
      ofUser.push(...(await time(1, call)))
      await delay(PAUSE_MS)
    }
    return ofUser
  })
  return (await Promise.all(samples)).flat()
}
