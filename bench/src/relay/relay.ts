import { createLatchkey } from '@latchkey/core'
import { consentAs } from '@latchkey/test/fixtures'
import * as z from 'zod'
import type { Benchmark } from '../benchmark.ts'
import { median, quantile, time } from '../statistics.ts'
import { startProcess, type Started } from './startProcess.ts'

const USER = 'ann'
const BLOCKS = 16
const CALLS_PER_BLOCK = 100
const WARM_UP_CALLS = 1500
const AT_ONCE = 32

type Call = () => Promise<void>

const upstreamSchema = z.object({ url: z.string(), apiKey: z.string() })
const gatewaySchema = z.object({ url: z.string() })

/** One `tools/call` through the gateway, against the same upstream direct and through a byte proxy; four processes. */
export const relay: Benchmark = {
  name: 'relay',
  title: 'tools/call through the gateway, against the same upstream direct, and through a proxy that forwards bytes',
  async run(say) {
    using upstream = await startProcess('./upstreamProcess.ts', { BENCH_USER: USER }, upstreamSchema)
    const clientSecret = crypto.randomUUID()
    const environment = { BENCH_UPSTREAM_URL: upstream.result.url, BENCH_CLIENT_SECRET: clientSecret }
    using gateway = await startProcess('./gatewayProcess.ts', environment, gatewaySchema)
    using floor = await startProcess('./floorProcess.ts', environment, gatewaySchema)
    await using latchkey = createLatchkey({
      url: gateway.result.url,
      clientId: 'bench',
      clientSecret,
      config: 'lookup',
    })
    const key = { 'x-api-key': upstream.result.apiKey }
    const url = await connect(latchkey, upstream.result.apiKey)
    const endpoint = await latchkey.ready(USER)
    const ways = {
      direct: new Way(caller(upstream.result.url, key), upstream),
      floor: new Way(caller(floor.result.url, key), floor),
      url: new Way(caller(url, {}), gateway),
      token: new Way(caller(endpoint.url, await endpoint.headers()), gateway),
    }

    say(
      `${BLOCKS} blocks of ${CALLS_PER_BLOCK} calls in turn: direct, byte proxy, by URL, by session token; then ${AT_ONCE} at once`,
    )
    for (const way of Object.values(ways)) await time(WARM_UP_CALLS, way.call)
    for (let block = 0; block < BLOCKS; block += 1) for (const way of Object.values(ways)) await way.measureBlock()
    const { direct, floor: bytes, url: byUrl, token } = ways
    const atOnce = { floor: await bytes.cpuPerCallAtOnce(), url: await byUrl.cpuPerCallAtOnce() }
    return {
      'relay.direct_p50_ms': direct.p50,
      'relay.p50_ms': byUrl.p50,
      'relay.p99_ms': byUrl.p99,
      'relay.p50_over_direct': byUrl.p50 / direct.p50,
      'relay.p99_over_direct': byUrl.p99 / direct.p99,
      'relay.token_p50_over_direct': token.p50 / direct.p50,
      'relay.floor_p50_over_direct': bytes.p50 / direct.p50,
      'relay.p50_over_floor': byUrl.p50 / bytes.p50,
      'relay.cpu_ms_per_call': byUrl.cpuPerCall,
      'relay.cpu_over_floor': byUrl.cpuPerCall / bytes.cpuPerCall,
      'relay.cpu_ms_per_call_32': atOnce.url,
      'relay.cpu_over_floor_32': atOnce.url / atOnce.floor,
      'relay.rss_mb': (await gateway.usage()).rssMb,
    }
  },
}

/** One way to the upstream, and what it has cost so far. */
class Way {
  readonly call: Call
  readonly #process: Pick<Started<unknown>, 'usage'>
  readonly #samples: number[] = []
  #cpuMs = 0

  constructor(call: Call, process: Pick<Started<unknown>, 'usage'>) {
    this.call = call
    this.#process = process
  }

  async measureBlock(): Promise<void> {
    this.#cpuMs += await this.#cpuOf(async () => void this.#samples.push(...(await time(CALLS_PER_BLOCK, this.call))))
  }

  async cpuPerCallAtOnce(): Promise<number> {
    const calls = (BLOCKS * CALLS_PER_BLOCK) / AT_ONCE
    const workers = async (): Promise<void> => {
      await Promise.all(Array.from({ length: AT_ONCE }, async () => await time(calls, this.call)))
    }
    return (await this.#cpuOf(workers)) / (calls * AT_ONCE)
  }

  get p50(): number {
    return median(this.#samples)
  }

  get p99(): number {
    return quantile(this.#samples, 0.99)
  }

  get cpuPerCall(): number {
    return this.#cpuMs / this.#samples.length
  }

  async #cpuOf(task: () => Promise<void>): Promise<number> {
    const before = await this.#process.usage()
    await task()
    return (await this.#process.usage()).cpuMs - before.cpuMs
  }
}

/** Has the user type the key, and gives the pre-authenticated URL. */
async function connect(latchkey: ReturnType<typeof createLatchkey>, apiKey: string): Promise<string> {
  const { id } = await latchkey.ensureInstance(USER)
  const [connection] = await latchkey.getAuthState(id, { includeAuthLinks: true })
  await consentAs(USER, connection?.authenticationLink ?? '', { apiKey })
  return await latchkey.mcpUrl(USER)
}

function caller(url: string, credential: Record<string, string>): Call {
  const name = 'find_person'
  const headers = {
    ...credential,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': name,
  }
  const envelope = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1.0.0' },
    'io.modelcontextprotocol/clientCapabilities': {},
  }
  const params = { name, arguments: { name: 'Dana' }, _meta: envelope }
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params })
  return async () => {
    const response = await fetch(url, { method: 'POST', headers, body })
    const text = await response.text()
    if (!response.ok || !text.includes('dana@acme.example')) throw new Error(`The call failed: ${response.status}`)
  }
}
