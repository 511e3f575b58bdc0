import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import type { GatewayOptions } from '../../src/config/gatewayOptions.ts'
import { openGateway, type OpenGateway } from '../operations/openGateway.ts'

const attributeSchema = z.object({
  key: z.string(),
  value: z.looseObject({ stringValue: z.string().optional(), intValue: z.coerce.number().optional() }),
})
const spanSchema = z.looseObject({
  name: z.string(),
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  kind: z.number(),
  attributes: z.array(attributeSchema).default([]),
})
const tracesSchema = z.object({
  resourceSpans: z.array(z.looseObject({ scopeSpans: z.array(z.looseObject({ spans: z.array(spanSchema) })) })),
})
type SpanData = z.output<typeof spanSchema>

interface Collector {
  readonly url: string
  readonly bodies: { readonly path: string; readonly text: string; readonly headers: IncomingHttpHeaders }[]
  readonly server: Server
}

/** An OTLP/HTTP collector at the edge of the network. */
async function startCollector(): Promise<Collector> {
  const bodies: Collector['bodies'] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      bodies.push({ path: request.url ?? '', text: Buffer.concat(chunks).toString(), headers: request.headers })
      response.setHeader('content-type', 'application/json').end('{}')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return { url: `http://127.0.0.1:${port}`, bodies, server }
}

let collector: Collector
let gateway: OpenGateway
const open = async (telemetry: GatewayOptions['telemetry'], more: Partial<GatewayOptions> = {}) =>
  (gateway = await openGateway({ telemetry, ...more }))
beforeEach(async () => {
  collector = await startCollector()
})
afterEach(async () => {
  await gateway.close()
  collector.server.close()
})

/** Ends the gateway, which sends what is left. */
async function spans(): Promise<SpanData[]> {
  await gateway.gateway.close()
  return collector.bodies
    .filter(({ path }) => path === '/v1/traces')
    .flatMap(({ text }) => tracesSchema.parse(JSON.parse(text)).resourceSpans)
    .flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans))
}
const attributesOf = (span: SpanData | undefined) =>
  Object.fromEntries((span?.attributes ?? []).map(({ key, value }) => [key, value.stringValue ?? value.intValue]))

const PING = { jsonrpc: '2.0', id: 1, method: 'ping' }
const asAgent = (body: object) => ({
  method: 'POST',
  body,
  headers: { accept: 'application/json, text/event-stream' },
})

async function urlOf(user: string, config = 'reader'): Promise<string> {
  const asApp = await gateway.asApp()
  const answer = await asApp('POST', '/api/v1/mcp/instances', { config_name: config, user_identifier: user })
  return z.object({ instance: z.object({ url: z.string() }) }).parse(await answer.json()).instance.url
}

describe('telemetry', () => {
  it('is off until it is asked for', async () => {
    await open(undefined)
    await urlOf('anna')
    expect(gateway.gateway.metrics).toBeUndefined()
    await gateway.gateway.close()
    expect(collector.bodies).toEqual([])
  })

  it('sends a span for each request, by the pattern of its route, and one for what MCP asked for', async () => {
    await open({ otlp: { endpoint: collector.url, headers: { 'x-collector-key': 'canary-key' } } })
    await gateway.call(await urlOf('anna'), asAgent(PING))
    const all = await spans()
    expect(all.map(({ name }) => name)).toEqual([
      'POST /oauth/token',
      'POST /api/v1/mcp/instances',
      'ping',
      'POST /mcp/:endpoint',
    ])
    const [, , ping, served] = all
    expect(attributesOf(served)).toMatchObject({
      'http.request.method': 'POST',
      'http.route': '/mcp/:endpoint',
      'http.response.status_code': 200,
      'url.scheme': 'https',
    })
    expect(attributesOf(ping)).toEqual({ 'mcp.method.name': 'ping' })
    expect([ping?.traceId, ping?.parentSpanId]).toEqual([served?.traceId, served?.spanId])
    expect(collector.bodies[0]?.headers['x-collector-key']).toBe('canary-key')
  })

  it('sends a span for each request that goes out, with the host and no path, below that of its request', async () => {
    const seen: IncomingHttpHeaders[] = []
    const upstream = createServer((request, response) => {
      seen.push(request.headers)
      response.statusCode = 500
      response.end()
    }).listen(0, '127.0.0.1')
    await once(upstream, 'listening')
    const address = upstream.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const connections = {
      docs: { mcpServerUrl: `http://127.0.0.1:${port}/canary-path`, auth: { type: 'none' } },
    } as const
    const more = { publicUrl: 'http://127.0.0.1:8787', connections, configs: { reader: { docs: ['read'] } } } as const
    await open({ otlp: collector.url }, more)
    const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'read', arguments: {} } }
    await gateway.call(await urlOf('anna'), asAgent(call))
    upstream.close()
    const all = await spans()
    const served = all.find(({ name }) => name === 'POST /mcp/:endpoint')
    const sent = all.find(({ kind, name }) => kind === 3 && name === 'POST')
    expect(sent?.parentSpanId).toBe(served?.spanId)
    expect(attributesOf(sent)).toMatchObject({
      'server.address': '127.0.0.1',
      'server.port': port,
      'http.response.status_code': 500,
      'error.type': '500',
    })
    const called = all.find(({ name }) => name === 'tools/call read')
    expect(attributesOf(called)).toMatchObject({
      'mcp.method.name': 'tools/call',
      'gen_ai.tool.name': 'read',
      'latchkey.connection': 'docs',
      'error.type': 'upstream_unavailable',
    })
    expect(JSON.stringify(all)).not.toContain('canary-path')
    // Which of its calls belong together is not for the upstream to know.
    expect(seen.length).toBeGreaterThan(0)
    expect(seen.every((headers) => headers.traceparent === undefined)).toBe(true)
  })

  it("continues a caller's trace only where callers are trusted", async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    await open({ otlp: collector.url })
    await gateway.call('/keys', { headers: { traceparent } })
    expect((await spans())[0]?.parentSpanId ?? '').toBe('')
    await gateway.close()
    collector.bodies.length = 0
    await open({ otlp: collector.url, trustTraceContext: true })
    await gateway.call('/keys', { headers: { traceparent } })
    const [continued] = await spans()
    expect([continued?.traceId, continued?.parentSpanId]).toEqual(traceparent.split('-').slice(1, 3))
  })

  it('gives metrics as Prometheus reads them, with few labels and none that a caller makes up', async () => {
    await open({ prometheus: true }, { rateLimits: { failure: { requests: 1, seconds: 60 } } })
    const url = await urlOf('canary-user')
    await gateway.call(url, asAgent({ ...PING, method: 'canary/method' }))
    await gateway.call(`${url}canary`, asAgent(PING))
    await gateway.call('/canary-path', { method: 'BREW' })
    await gateway.call('/mcp/lkurl_canary', asAgent(PING))
    const text = (await gateway.gateway.metrics?.()) ?? ''
    expect(text).toMatch(/^# TYPE http_server_request_duration histogram$/m)
    expect(text).toMatch(/http_server_request_duration_count\{[^}]*http_route="\/mcp\/:endpoint"[^}]*\} 1$/m)
    expect(text).toMatch(/mcp_server_operation_duration_count\{[^}]*mcp_method_name="unknown"/)
    expect(text).toMatch(/latchkey_rate_limit_refusals_total\{[^}]*latchkey_limit="failure"[^}]*\} 1$/m)
    expect(text).toMatch(/^nodejs_eventloop_delay_p99\{/m)
    expect(text).toContain('http_request_method="_OTHER"')
    expect(text).not.toMatch(/canary|lkurl_|ins_|cfg_|192\.0\.2/)
  })

  it('counts what becomes of accounts, by connection and status', async () => {
    await open({ prometheus: true })
    const asApp = await gateway.asApp()
    await asApp('POST', '/api/v1/connected_accounts/magic_link', { connector: 'search', identifier: 'anna' })
    const list = await (await asApp('GET', '/api/v1/connected_accounts')).json()
    const { connected_accounts: accounts } = z
      .object({ connected_accounts: z.array(z.object({ id: z.string() })) })
      .parse(list)
    await asApp('POST', '/api/v1/connected_accounts:delete', { id: accounts[0]?.id })
    const text = (await gateway.gateway.metrics?.()) ?? ''
    expect(text).toMatch(
      /latchkey_account_status_changes_total\{latchkey_connection="search",latchkey_account_status="DISCONNECTED"[^}]*\} 1$/m,
    )
    expect(text).toMatch(/latchkey_event_lag_count(?:\{[^}]*\})? 1$/m)
  })

  it('ends although the collector does not answer', async () => {
    collector.server.close()
    await open({ otlp: collector.url })
    await gateway.call('/keys')
    await expect(gateway.gateway.close()).resolves.toBeUndefined()
  })
})
