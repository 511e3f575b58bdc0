import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { legacyRequest, modernRequest } from './support/clients.ts'
import { startModernUpstream, type TestUpstream } from './support/upstreams.ts'
import { createWorld, type World } from './support/world.ts'

describe('createMcpEndpoint', () => {
  let upstream: TestUpstream
  let world: World
  let url: string

  beforeAll(async () => {
    upstream = await startModernUpstream()
    world = await createWorld({ connections: { mail: upstream.url } })
    url = world.url('ada')
  })
  afterAll(async () => {
    await world[Symbol.asyncDispose]()
    await upstream[Symbol.asyncDispose]()
  })

  const send = async (body: string, headers: Record<string, string> = {}) => {
    const response = await world.post(url, body, headers)
    const text = await response.text()
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
  }
  const sendModern = (method: string, params: Record<string, unknown>, change: Record<string, string | undefined>) => {
    const { body, headers } = modernRequest(method, params)
    const changed: Record<string, string> = {}
    for (const [name, value] of Object.entries({ ...headers, ...change }))
      if (value !== undefined) changed[name] = value
    return send(body, changed)
  }

  it.each([
    ['malformed JSON', '{"jsonrpc":', 400, -32700],
    ['nothing', '', 400, -32700],
    ['a batch', '[{"jsonrpc":"2.0","id":1,"method":"ping"}]', 400, -32600],
    ['an empty batch', '[]', 400, -32600],
    ['a number', '1', 400, -32600],
    ['no version', '{"id":1,"method":"ping"}', 400, -32600],
    ['no method', '{"jsonrpc":"2.0","id":1}', 400, -32600],
    ['an id of null', '{"jsonrpc":"2.0","id":null,"method":"ping"}', 400, -32600],
    ['params that are an array', '{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', 400, -32600],
    ['two names', '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","name":"wait"}}', 400, -32600],
    ['two results', '{"jsonrpc":"2.0","id":"x","result":{},"result":{"action":"accept"}}', 400, -32600],
    [
      'two names in a reference',
      '{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"a","name":"b"}}}',
      400,
      -32600,
    ],
    ['two methods', '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}', 400, -32600],
  ])('refuses a body that is %s', async (_what, body, status, code) => {
    expect(await send(body)).toMatchObject({ status, body: { jsonrpc: '2.0', error: { code } } })
  })

  it('refuses a body that is not UTF-8', async () => {
    const bytes = Buffer.from('{"jsonrpc":"2.0","id":1,"method":"\xff"}', 'latin1')
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
    const response = await fetch(url, { method: 'POST', headers, body: bytes })
    expect([response.status, (await response.json()).error.code]).toEqual([400, -32700])
  })

  it('refuses a body over 10 MiB, whether its length is declared or not', async () => {
    const big = `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"${'x'.repeat(10 * 1024 * 1024)}"}}`
    expect((await send(big)).status).toBe(413)
    const chunks = new ReadableStream({
      start(controller) {
        controller.enqueue(Buffer.from(big))
        controller.close()
      },
    })
    const headers = { 'content-type': 'application/json' }
    const init: RequestInit & { duplex: 'half' } = { method: 'POST', headers, body: chunks, duplex: 'half' }
    const streamed = await fetch(url, init)
    expect(streamed.status).toBe(413)
  })

  it('takes a body of nearly 10 MiB', async () => {
    const text = 'x'.repeat(3 * 1024 * 1024)
    const { body } = await sendModern('tools/call', { name: 'echo', arguments: { text } }, {})
    expect(body.result.structuredContent.echoed).toHaveLength(text.length)
  })

  it('refuses another content type, and a 2025 client that does not accept both answers', async () => {
    const { body, headers } = legacyRequest('ping')
    expect((await send(body, { ...headers, 'content-type': 'text/plain' })).status).toBe(415)
    expect((await send(body, { ...headers, accept: 'application/json' })).status).toBe(406)
    expect((await send(body, headers)).status).toBe(200)
  })

  it.each([
    ['the version header is missing', { 'mcp-protocol-version': undefined }],
    ['the version header differs from the body', { 'mcp-protocol-version': '2025-11-25' }],
    ['Mcp-Method is missing', { 'mcp-method': undefined }],
    ['Mcp-Method differs', { 'mcp-method': 'tools/list' }],
    ['Mcp-Name is missing', { 'mcp-name': undefined }],
    ['Mcp-Name differs', { 'mcp-name': 'wait' }],
    ['Mcp-Name differs when decoded', { 'mcp-name': '=?base64?d2FpdA==?=' }],
    ['Mcp-Name is badly encoded', { 'mcp-name': '=?base64?%?=' }],
  ])('T17: answers a header mismatch when %s', async (_what, change) => {
    const before = upstream.executed.length
    const answer = await sendModern('tools/call', { name: 'echo', arguments: { text: 'x' } }, change)
    expect(answer).toMatchObject({ status: 400, body: { error: { code: -32020 } } })
    expect(upstream.executed).toHaveLength(before)
  })

  it('takes Mcp-Name encoded', async () => {
    const change = { 'mcp-name': '=?base64?ZWNobw==?=' }
    const answer = await sendModern('tools/call', { name: 'echo', arguments: { text: 'x' } }, change)
    expect(answer).toMatchObject({ status: 200, body: { result: { structuredContent: { echoed: 'x' } } } })
  })

  it('names the versions that it supports when another is asked for', async () => {
    const { body, headers } = modernRequest('tools/list')
    const future = await send(body.replaceAll('2026-07-28', '2099-01-01'), {
      ...headers,
      'mcp-protocol-version': '2099-01-01',
    })
    expect(future).toMatchObject({
      status: 400,
      body: { error: { code: -32022, data: { supported: ['2026-07-28'], requested: '2099-01-01' } } },
    })
    const past = await send(legacyRequest('ping').body, { 'mcp-protocol-version': '1999-01-01' })
    expect(past).toMatchObject({ status: 400, body: { error: { code: -32022 } } })
  })

  it('answers an unknown method with 404 to a 2026 client and in band to a 2025 client', async () => {
    for (const method of ['tasks/list', 'nonsense', '__proto__']) {
      expect(await sendModern(method, {}, {})).toMatchObject({ status: 404, body: { error: { code: -32601 } } })
      const { body, headers } = legacyRequest(method)
      expect(await send(body, headers)).toMatchObject({ status: 200, body: { error: { code: -32601 } } })
    }
  })

  it('takes notifications and says nothing to them', async () => {
    for (const method of ['notifications/initialized', 'notifications/whatever']) {
      expect(await send(JSON.stringify({ jsonrpc: '2.0', method }))).toEqual({ status: 202, body: undefined })
    }
  })

  it.each(['2025-11-25', '2025-06-18', '2025-03-26'])(
    'agrees on revision %s in a handshake',
    async (protocolVersion) => {
      const { body } = legacyRequest('initialize', {
        protocolVersion,
        capabilities: {},
        clientInfo: { name: 'x', version: '1' },
      })
      expect(await send(body)).toMatchObject({
        status: 200,
        body: { result: { protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'latchkey' } } },
      })
    },
  )

  it('offers its newest 2025 revision when the handshake asks for one that it does not know', async () => {
    const { body } = legacyRequest('initialize', { protocolVersion: '2024-11-05', capabilities: {} })
    expect((await send(body)).body.result.protocolVersion).toBe('2025-11-25')
  })

  it('says what it is, and keeps everything private', async () => {
    const { body } = await sendModern('server/discover', {}, {})
    expect(body.result).toMatchObject({
      resultType: 'complete',
      supportedVersions: ['2026-07-28'],
      capabilities: { tools: {} },
      cacheScope: 'private',
      _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'latchkey' } },
    })
  })
})
