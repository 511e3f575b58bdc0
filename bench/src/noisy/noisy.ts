import { createLatchkey } from '@latchkey/core'
import { setTimeout as delay } from 'node:timers/promises'
import * as z from 'zod'
import type { Benchmark } from '../benchmark.ts'
import { startChild } from '../childProcess.ts'
import { message } from '../relay/message.ts'
import { sizeOf } from '../size.ts'
import { median, quantile, time } from '../statistics.ts'

const BLOCKS = sizeOf('BENCH_NOISY_BLOCKS', 8)
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
 * Eight users who call ten times a second each: alone; while a ninth, who calls five hundred times a second and so is
 * refused most of the time, does so at another gateway on the same machine; and while he does so at theirs, in turns
 * (security T73). What the noise costs the machine is in the second as in the third, so the difference of these two is
 * what it costs them to share a gateway. Each user has an address of his own.
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
    using other = startChild(new URL('./gatewayProcess.ts', import.meta.url), environment)
    using noise = startChild(new URL('./noiseProcess.ts', import.meta.url), {})
    await noise.next(z.object({ started: z.literal(true) }))
    await using latchkey = await clientOf(gateway, clientSecret)
    await using elsewhere = await clientOf(other, clientSecret)
    const calls = await Promise.all(Array.from({ length: USERS }, async (_, user) => await callOf(latchkey, user)))
    const wildUrls = { elsewhere: await elsewhere.mcpUrl('wild'), beside: await latchkey.mcpUrl('wild') }

    const total = { sent: 0, refused: 0 }
    for (const call of calls) await time(WARM_UP_CALLS, call)
    const blocks = { quiet: [] as Block[], elsewhere: [] as Block[], beside: [] as Block[] }
    for (let block = 0; block < BLOCKS; block += 1) {
      blocks.quiet.push(await timeCalls(calls))
      blocks.elsewhere.push(await timeBesideNoise(calls, noise, wildUrls.elsewhere, total))
      blocks.beside.push(await timeBesideNoise(calls, noise, wildUrls.beside, total))
    }
    say(`the wild one called ${total.sent} times and was refused ${total.refused} times; the others never`)
    const quiet = summaryOf(blocks.quiet)
    const apart = summaryOf(blocks.elsewhere)
    const beside = summaryOf(blocks.beside)
    return {
      'noisy.p50_ms': beside.p50,
      'noisy.p99_ms': beside.p99,
      'noisy.p50_over_elsewhere': beside.p50 / apart.p50,
      'noisy.p99_over_elsewhere': beside.p99 / apart.p99,
      'noisy.p50_over_quiet': beside.p50 / quiet.p50,
      'noisy.p99_over_quiet': beside.p99 / quiet.p99,
      'noisy.refused_share': total.refused / total.sent,
    }
  },
}

/** In milliseconds each. */
type Block = readonly number[]

/** While the wild one calls through this URL. What it did is added to `total`. */
async function timeBesideNoise(
  calls: readonly (() => Promise<unknown>)[],
  noise: ReturnType<typeof startChild>,
  wildUrl: string,
  total: { sent: number; refused: number },
): Promise<Block> {
  noise.send({ url: wildUrl })
  const samples = await timeCalls(calls)
  noise.send({ stop: true })
  const { sent, refused } = await noise.next(noiseSchema)
  total.sent += sent
  total.refused += refused
  await delay(SETTLE_MS)
  return samples
}

/** Of each block by itself, then the middle one: what a machine does once in a while is in one block, and decides nothing. */
function summaryOf(blocks: readonly Block[]): { readonly p50: number; readonly p99: number } {
  const middle = (share: number): number => median(blocks.map((samples) => quantile(samples, share)))
  return { p50: middle(0.5), p99: middle(0.99) }
}

async function clientOf(gateway: ReturnType<typeof startChild>, clientSecret: string) {
  const { url } = await gateway.next(startedSchema)
  return createLatchkey({ url, clientId: 'bench', clientSecret, config: 'agent' })
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
