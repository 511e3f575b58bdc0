import { createLatchkey } from '@latchkey/core'
import { consentAs } from '@latchkey/test/fixtures'
import * as z from 'zod'
import type { Benchmark } from '../benchmark.ts'
import { median, quantile, time } from '../statistics.ts'
import { startProcess, type Usage } from './startProcess.ts'

const USER = 'ann'
const BLOCKS = 10
const CALLS_PER_BLOCK = 200
const AT_ONCE = 32

type Call = () => Promise<void>

const upstreamSchema = z.object({ url: z.string(), apiKey: z.string() })
const gatewaySchema = z.object({ url: z.string() })

/** One `tools/call` through the gateway, against the same upstream direct; each of the three is a process of its own. */
export const relay: Benchmark = {
  name: 'relay',
  title: 'tools/call through the gateway, against the same upstream direct',
  async run(say) {
    using upstream = await startProcess('./upstreamProcess.ts', { BENCH_USER: USER }, upstreamSchema)
    const clientSecret = crypto.randomUUID()
    const environment = { BENCH_UPSTREAM_URL: upstream.result.url, BENCH_CLIENT_SECRET: clientSecret }
    using gateway = await startProcess('./gatewayProcess.ts', environment, gatewaySchema)
    await using latchkey = createLatchkey({
      url: gateway.result.url,
      clientId: 'bench',
      clientSecret,
      config: 'lookup',
    })
    const url = await connect(latchkey, upstream.result.apiKey)
    const direct = caller(upstream.result.url, { 'x-api-key': upstream.result.apiKey })
    const through = caller(url, {})
    const endpoint = await latchkey.ready(USER)
    const throughToken = caller(endpoint.url, await endpoint.headers())

    say(`${BLOCKS} blocks of ${CALLS_PER_BLOCK} calls in turn: direct, by URL, by session token`)
    for (const call of [direct, through, throughToken]) await time(CALLS_PER_BLOCK, call)
    const samples = { direct: [] as number[], url: [] as number[], token: [] as number[] }
    let cpuMs = 0
    for (let block = 0; block < BLOCKS; block += 1) {
      samples.direct.push(...(await time(CALLS_PER_BLOCK, direct)))
      cpuMs += await cpuOf(gateway.usage, async () => void samples.url.push(...(await time(CALLS_PER_BLOCK, through))))
      samples.token.push(...(await time(CALLS_PER_BLOCK, throughToken)))
    }
    const cpu32 = await cpuOf(gateway.usage, async () => await atOnce(BLOCKS * CALLS_PER_BLOCK, AT_ONCE, through))
    return {
      'relay.direct_p50_ms': median(samples.direct),
      'relay.p50_ms': median(samples.url),
      'relay.p99_ms': quantile(samples.url, 0.99),
      'relay.p50_over_direct': median(samples.url) / median(samples.direct),
      'relay.p99_over_direct': quantile(samples.url, 0.99) / quantile(samples.direct, 0.99),
      'relay.token_p50_over_direct': median(samples.token) / median(samples.direct),
      'relay.cpu_ms_per_call': cpuMs / samples.url.length,
      'relay.cpu_ms_per_call_32': cpu32 / (BLOCKS * CALLS_PER_BLOCK),
      'relay.rss_mb': (await gateway.usage()).rssMb,
    }
  },
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

async function cpuOf(usage: () => Promise<Usage>, task: () => Promise<void>): Promise<number> {
  const before = await usage()
  await task()
  return (await usage()).cpuMs - before.cpuMs
}

async function atOnce(calls: number, width: number, call: Call): Promise<void> {
  await Promise.all(Array.from({ length: width }, async () => void (await time(Math.ceil(calls / width), call))))
}
