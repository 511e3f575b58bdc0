import { createLatchkey, type Latchkey } from '@latchkey/core'
import { consentAs } from '@latchkey/test/fixtures'
import * as z from 'zod'
import type { Benchmark, Figures } from '../benchmark.ts'
import { sizeOf } from '../size.ts'
import { median, time } from '../statistics.ts'
import { measureLists } from './lists.ts'
import { message } from './message.ts'
import { measurePeers } from './peers.ts'
import { startProcess } from './startProcess.ts'
import { type Call, Way } from './way.ts'

const USER = 'ann'
const TOOL = 'find_person'
/** Smaller where only a look is wanted whether all of it runs. */
const BLOCKS = sizeOf('BENCH_RELAY_BLOCKS', 16)
const CALLS_PER_BLOCK = 100
const WARM_UP_CALLS = BLOCKS * 100
const AT_ONCE = 32
const LISTS = 20

const upstreamSchema = z.object({ url: z.string(), apiKey: z.string() })
const listsSchema = z.object({ urls: z.array(z.string()), whole: z.string() })
const gatewaySchema = z.object({ url: z.string() })

/** One `tools/call` on every way to the same upstream, each way in a process of its own; and lists of many upstreams. */
export const relay: Benchmark = {
  name: 'relay',
  title:
    'tools/call through the gateway, against the same upstream direct, a proxy that forwards bytes, and other gateways',
  async run(say) {
    using upstream = await startProcess('./upstreamProcess.ts', { BENCH_USER: USER }, upstreamSchema)
    using lists = await startProcess('./listsProcess.ts', { BENCH_LISTS: String(LISTS) }, listsSchema)
    const clientSecret = crypto.randomUUID()
    const { url: upstreamUrl, apiKey } = upstream.result
    const environment = {
      BENCH_UPSTREAM_URL: upstreamUrl,
      BENCH_LIST_URLS: lists.result.urls.join(' '),
      BENCH_CLIENT_SECRET: clientSecret,
    }
    using gateway = await startProcess('./gatewayProcess.ts', environment, gatewaySchema)
    using floor = await startProcess('./floorProcess.ts', environment, gatewaySchema)
    await using latchkey = createLatchkey({
      url: gateway.result.url,
      clientId: 'bench',
      clientSecret,
      config: 'lookup',
    })
    const key = { 'x-api-key': apiKey }
    const url = await connect(latchkey, apiKey)
    const endpoint = await latchkey.ready(USER)
    const ways = {
      direct: new Way(caller(upstreamUrl, TOOL, key), upstream),
      floor: new Way(caller(floor.result.url, TOOL, key), floor),
      url: new Way(caller(url, TOOL), gateway),
      token: new Way(caller(endpoint.url, TOOL, await endpoint.headers()), gateway),
      five: new Way(caller(await latchkey.mcpUrl(USER, { config: 'lookup5' }), `directory__${TOOL}`), gateway),
      twenty: new Way(caller(await latchkey.mcpUrl(USER, { config: 'lookup20' }), `directory__${TOOL}`), gateway),
    }

    say(`${BLOCKS} blocks of ${CALLS_PER_BLOCK} calls on each way in turn; then ${AT_ONCE} at once`)
    for (const way of Object.values(ways)) await time(WARM_UP_CALLS, way.call)
    for (let block = 0; block < BLOCKS; block += 1) {
      for (const way of Object.values(ways)) await way.measureBlock(CALLS_PER_BLOCK)
    }
    const atOnce = await measureAtOnce(ways.floor, ways.url)
    const { rssMb } = await gateway.usage()
    const direct = {
      one: { url: lists.result.urls[0] ?? '' },
      one_as_long: { url: lists.result.whole },
      one_sdk_server: { url: upstreamUrl, credential: key },
    }
    const peers = await measurePeers({ say, upstreamUrl, apiKey, blocks: BLOCKS, callsPerBlock: CALLS_PER_BLOCK })
    return {
      ...figures(ways),
      ...atOnce,
      'relay.rss_mb': rssMb,
      'relay.floor_rss_mb': (await floor.usage()).rssMb,
      ...peers,
      ...(await measureLists(latchkey, direct, say)),
    }
  },
}

function figures({ direct, floor, url, token, five, twenty }: Readonly<Record<string, Way>>): Figures {
  if (!direct || !floor || !url || !token || !five || !twenty) throw new TypeError('A way was not measured.')
  return {
    'relay.direct_p50_ms': direct.p50,
    'relay.floor_p50_ms': floor.p50,
    'relay.floor_p99_ms': floor.p99,
    'relay.p50_ms': url.p50,
    'relay.p99_ms': url.p99,
    'relay.p50_over_direct': url.p50 / direct.p50,
    'relay.p99_over_direct': url.p99 / direct.p99,
    'relay.token_p50_over_direct': token.p50 / direct.p50,
    'relay.floor_p50_over_direct': floor.p50 / direct.p50,
    'relay.p50_over_floor': url.p50 / floor.p50,
    'relay.cpu_ms_per_call': url.cpuPerCall,
    'relay.floor_cpu_ms_per_call': floor.cpuPerCall,
    'relay.cpu_over_floor': url.cpuPerCall / floor.cpuPerCall,
    'relay.cpu_over_floor_median': url.medianCpuPerCall / floor.medianCpuPerCall,
    'relay.cpu_over_floor_5_connections': five.cpuPerCall / floor.cpuPerCall,
    'relay.cpu_over_floor_20_connections': twenty.cpuPerCall / floor.cpuPerCall,
  }
}

/** In turns as well: what else the machine does hits both. */
async function measureAtOnce(floor: Way, url: Way): Promise<Figures> {
  const samples = { floor: [] as number[], url: [] as number[] }
  const calls = CALLS_PER_BLOCK * 2
  for (const way of [floor, url]) await way.cpuPerCallAtOnce(calls, AT_ONCE)
  for (let block = 0; block < BLOCKS; block += 1) {
    samples.floor.push(await floor.cpuPerCallAtOnce(calls, AT_ONCE))
    samples.url.push(await url.cpuPerCallAtOnce(calls, AT_ONCE))
  }
  return {
    'relay.cpu_ms_per_call_32': median(samples.url),
    'relay.floor_cpu_ms_per_call_32': median(samples.floor),
    'relay.cpu_over_floor_32': median(samples.url) / median(samples.floor),
  }
}

/** Has the user type the key, and gives the pre-authenticated URL. */
async function connect(latchkey: Latchkey, apiKey: string): Promise<string> {
  const { id } = await latchkey.ensureInstance(USER)
  const [connection] = await latchkey.getAuthState(id, { includeAuthLinks: true })
  await consentAs(USER, connection?.authenticationLink ?? '', { apiKey })
  return await latchkey.mcpUrl(USER)
}

function caller(url: string, name: string, credential: Readonly<Record<string, string>> = {}): Call {
  const send = message(url, 'tools/call', { name, arguments: { name: 'Dana' } }, credential)
  return async () => {
    if (!(await send()).includes('dana@acme.example')) throw new Error('The call gave another answer.')
  }
}
