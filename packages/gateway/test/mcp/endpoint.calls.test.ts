import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { exposedToolName } from '../../src/mcp/toolNames.ts'
import { connectLegacy, connectModern, legacyRequest, modernRequest } from './support/clients.ts'
import {
  jsonResponse,
  startLegacyUpstream,
  startModernUpstream,
  startRawUpstream,
  startScriptedUpstream,
} from './support/upstreams.ts'
import { createWorld, type World } from './support/world.ts'

async function call(world: World, name: string, args: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
  const { body, headers } = modernRequest('tools/call', { name, arguments: args })
  return (await world.post(world.url('ada'), body, headers)).json()
}

const RESULT =
  '{"resultType":"complete","content":[],"big":12345678901234567890,"float":1.0,"exp":1e400,"__proto__":{"a":1},"z":1,"a":2}'

describe('createMcpEndpoint, tools/call', () => {
  it('brings a message to the upstream and back without touching a byte when nothing has to change', async () => {
    const arrived: string[] = []
    await using upstream = await startScriptedUpstream('[]', (body) => {
      arrived.push(body)
      return jsonResponse(`{ "result": ${RESULT} , "id":1,"jsonrpc":"2.0"}`)
    })
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const meta =
      '{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}'
    const sent = `{"jsonrpc": "2.0",\n"params":{"arguments":{"n":12345678901234567890,"f":1.0,"__proto__":{"x":1},"z":1,"a":"\\u00e9"},"name":"echo","_meta":${meta},"unknown":[1.50]},"id":1,"method":"tools/call"}`
    const response = await world.post(world.url('ada'), sent, modernRequest('tools/call', { name: 'echo' }).headers)
    expect(arrived).toEqual([sent])
    expect(await response.text()).toBe(`{ "result": ${RESULT} , "id":1,"jsonrpc":"2.0"}`)
  })

  it('brings a long message to the upstream and back as it was written, whatever characters are in it', async () => {
    const arrived: { body: string; length: string | null }[] = []
    // Wherever this is cut into pieces, some cut falls into the middle of a character.
    const long = `${'x'.repeat(7)}${'é😀'.repeat(150_000)}`
    const answer = `{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[],"long":"${long}"}}`
    await using upstream = await startScriptedUpstream('[]', (body, request) => {
      arrived.push({ body, length: request.headers.get('content-length') })
      return jsonResponse(answer)
    })
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const { body, headers } = modernRequest('tools/call', { name: 'echo', arguments: { long } })
    const sent = body.replace(/"id":\d+/, '"id":1')
    expect((await (await world.post(world.url('ada'), sent, headers)).text()) === answer).toBe(true)
    expect(arrived).toHaveLength(1)
    expect(arrived[0]?.body === sent).toBe(true)
    expect(arrived[0]?.length).toBe(String(Buffer.byteLength(sent)))
  })

  it('T17: changes the name alone when the config has several connections, in the header too', async () => {
    const arrived: { body: string; name: string | null }[] = []
    await using upstream = await startScriptedUpstream('[]', (body, request) => {
      arrived.push({ body, name: request.headers.get('mcp-name') })
      return jsonResponse(`{"jsonrpc":"2.0","id":${JSON.parse(body).id},"result":${RESULT}}`)
    })
    await using world = await createWorld({
      connections: { mail: upstream.url, other: upstream.url },
      allow: { mail: ['größe "x"'] },
    })
    const listed = 'mail__gr__e__x__'
    const { body, headers } = modernRequest('tools/call', { arguments: { f: 1 } })
    const { result } = await (
      await world.post(world.url('ada'), modernRequest('tools/list').body, modernRequest('tools/list').headers)
    ).json()
    expect(result.tools).toEqual([])
    const name = exposedToolName({ prefixed: true }, 'mail', 'größe "x"')
    expect(name.startsWith(listed)).toBe(true)
    const sent = body.replace('"arguments":{"f":1}', `"arguments":{"f":1.0,"name":"stays"},"name":"${name}"`)
    await world.post(world.url('ada'), sent, { ...headers, 'mcp-name': name })
    expect(arrived).toEqual([
      {
        body: sent.replace(`"name":"${name}"`, `"name":${JSON.stringify('größe "x"')}`),
        name: `=?base64?${Buffer.from('größe "x"').toString('base64')}?=`,
      },
    ])
  })

  it('reads a changed name back through the list when there is no allow-list', async () => {
    await using upstream = await startScriptedUpstream('[{"name":"send mail","inputSchema":{}}]', (body) => {
      const { id, params } = JSON.parse(body)
      return jsonResponse({ jsonrpc: '2.0', id, result: { content: [], called: params.name } })
    })
    await using world = await createWorld({ connections: { mail: upstream.url } })
    expect(await call(world, exposedToolName({ prefixed: false }, 'mail', 'send mail'))).toMatchObject({
      result: { called: 'send mail' },
    })
    expect(await call(world, 'send_mail_00000000')).toMatchObject({ error: { code: -32602 } })
  })

  it('keeps numbers, order and unknown fields between a client and an upstream of different eras', async () => {
    const arrived: string[] = []
    await using upstream = await startScriptedUpstream('[]', (body) => {
      arrived.push(body)
      return jsonResponse(`{"jsonrpc":"2.0","id":${JSON.parse(body).id},"result":${RESULT}}`)
    })
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const args = '{"n":12345678901234567890,"f":1.0,"__proto__":{"x":1},"z":1,"a":2}'
    const params = `{"name":"echo","arguments":${args},"_meta":{"progressToken":7,"io.modelcontextprotocol/protocolVersion":"2020-01-01x"}}`
    const { headers } = legacyRequest('tools/call')
    const sent = `{"jsonrpc":"2.0","id":5,"method":"tools/call","params":${params.replace(',"io.modelcontextprotocol/protocolVersion":"2020-01-01x"', '')}}`
    const response = await world.post(world.url('ada'), sent, headers)
    expect(arrived[0]).toContain(args)
    expect(JSON.parse(arrived[0] ?? '').params['_meta']).toMatchObject({
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {},
      progressToken: 7,
    })
    expect(await response.text()).toBe(
      `{"jsonrpc":"2.0","id":5,"result":${RESULT.replace('"resultType":"complete",', '')}}`,
    )
  })

  it('T17: refuses a name in the header that is not the one in the body, also where the endpoint has names of its own', async () => {
    await using upstream = await startModernUpstream()
    await using world = await createWorld({ connections: { mail: upstream.url, other: upstream.url } })
    const { body, headers } = modernRequest('tools/call', { name: 'mail__echo', arguments: { text: 'x' } })
    for (const name of ['echo', 'other__echo', 'mail__Echo', 'mail__wait']) {
      const answer = await world.post(world.url('ada'), body, { ...headers, 'mcp-name': name })
      expect(answer.status).toBe(400)
      expect(await answer.json()).toMatchObject({ error: { code: -32020 } })
    }
    expect(upstream.executed).toEqual([])
    expect(await (await world.post(world.url('ada'), body, headers)).text()).toContain('"echoed":"x"')
    expect(upstream.seen.at(-1)?.headers['mcp-name']).toBe('echo')
  })

  it('strips what the protocol reserves from the _meta of a 2025 client, and forwards the rest', async () => {
    const RESERVED = 'io.modelcontextprotocol/'
    const forged = Object.fromEntries(
      ['clientInfo', 'clientCapabilities', 'logLevel'].map((key) => [`${RESERVED}${key}`, 'forged']),
    )
    const rest = {
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      'com.example/run': { id: 7 },
    }
    await using modern = await startModernUpstream()
    await using legacy = await startLegacyUpstream()
    await using world = await createWorld({ connections: { new: modern.url, old: legacy.url } })
    const arrived: Record<string, unknown>[] = []
    for (const [name, upstream] of [
      ['new', modern],
      ['old', legacy],
    ] as const) {
      const params = { name: `${name}__echo`, arguments: { text: 'x' }, _meta: { ...forged, ...rest } }
      const { body, headers } = legacyRequest('tools/call', params)
      const answer = await (await world.post(world.url('ada'), body, headers)).text()
      expect(answer).toContain('"echoed":"x"')
      expect(answer).not.toContain(RESERVED)
      const sent = upstream.seen.find((request) => request.body.includes('tools/call'))?.body ?? '{}'
      expect(sent).not.toContain('forged')
      arrived.push(JSON.parse(sent).params['_meta'])
    }
    expect(arrived[0]).toMatchObject(rest)
    expect(arrived[1]).toEqual(rest)
  })

  it('adds the headers that a 2025 client does not know for arguments that the upstream wants mirrored', async () => {
    const schema =
      '{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"},"deep":{"properties":{"n":{"x-mcp-header":"N"}}}}}'
    const seen: Record<string, string>[] = []
    await using upstream = await startScriptedUpstream(
      `[{"name":"query","inputSchema":${schema}}]`,
      (body, request) => {
        seen.push(Object.fromEntries(request.headers))
        return jsonResponse({ jsonrpc: '2.0', id: JSON.parse(body).id, result: { content: [] } })
      },
    )
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const { body, headers } = legacyRequest('tools/call', {
      name: 'query',
      arguments: { region: 'Zürich', deep: { n: 4 } },
    })
    await world.post(world.url('ada'), body, headers)
    expect(seen[0]).toMatchObject({ 'mcp-param-region': '=?base64?WsO8cmljaA==?=', 'mcp-param-n': '4' })
  })

  it('renews a refused credential and sends the call once more, once for each', async () => {
    await using upstream = await startModernUpstream()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    await call(world, 'echo', { text: 'first' })
    upstream.intercept = (request) =>
      request.headers.get('authorization')?.endsWith('-1') === true
        ? new Response('canary', {
            status: 401,
            headers: { 'www-authenticate': 'Bearer resource_metadata="http://evil.test"' },
          })
        : undefined
    expect(await call(world, 'echo', { text: 'again' })).toMatchObject({
      result: { structuredContent: { echoed: 'again' } },
    })
    expect(world.refreshes).toHaveLength(1)
    expect(upstream.executed).toHaveLength(2)
  })

  it('gives up when the renewed credential is refused as well', async () => {
    await using upstream = await startModernUpstream()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    upstream.intercept = () => new Response('', { status: 401 })
    expect(await call(world, 'echo', { text: 'x' })).toMatchObject({
      error: { message: expect.stringContaining('"mail"') },
    })
    expect(world.refreshes).toHaveLength(1)
  })

  it.each([
    ['500', () => new Response('canary', { status: 500 })],
    ['HTML', () => new Response('<p>canary</p>', { headers: { 'content-type': 'text/html' } })],
    ['a redirect', () => new Response(null, { status: 307, headers: { location: 'http://127.0.0.1:1/canary' } })],
    ['JSON that is not MCP', () => jsonResponse({ canary: true })],
    ['an answer to another request', () => jsonResponse({ jsonrpc: '2.0', id: 'canary', result: { content: [] } })],
    ['broken JSON', () => jsonResponse('{"canary":')],
    ['an empty stream', () => new Response('', { headers: { 'content-type': 'text/event-stream' } })],
    [
      'a stream of nonsense',
      () => new Response('data: canary\n\ndata: {}\n\n', { headers: { 'content-type': 'text/event-stream' } }),
    ],
  ])(
    'names the connection and repeats nothing of the answer when the upstream answers with %s',
    async (_what, answer) => {
      await using upstream = await startScriptedUpstream('[]', answer)
      await using world = await createWorld({ connections: { mail: upstream.url } })
      const { body, headers } = modernRequest('tools/call', { name: 'echo', arguments: {} })
      const response = await world.post(world.url('ada'), body, headers)
      const text = await response.text()
      expect(text).toContain('The connection \\"mail\\"')
      expect(text + JSON.stringify([...response.headers])).not.toContain('canary')
    },
  )

  it("T43: lets nothing of the upstream's headers through", async () => {
    await using upstream = await startScriptedUpstream('[]', (body) => {
      const response = jsonResponse({ jsonrpc: '2.0', id: JSON.parse(body).id, result: { content: [] } })
      const evil = [
        'set-cookie',
        'location',
        'alt-svc',
        'clear-site-data',
        'access-control-allow-origin',
        'www-authenticate',
        'mcp-session-id',
        'x-evil',
      ]
      for (const name of evil) response.headers.set(name, 'canary')
      return response
    })
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const { body, headers } = modernRequest('tools/call', { name: 'echo', arguments: {} })
    const response = await world.post(world.url('ada'), body, headers)
    expect(response.status).toBe(200)
    expect(JSON.stringify([...response.headers])).not.toContain('canary')
  })

  it('gives a client of 2026 the errors of its own era as the upstream says them', async () => {
    await using upstream = await startScriptedUpstream('[]', (body) =>
      jsonResponse(
        { jsonrpc: '2.0', id: JSON.parse(body).id, error: { code: -32020, message: 'Header mismatch' } },
        400,
      ),
    )
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const modern = modernRequest('tools/call', { name: 'echo' })
    expect((await world.post(world.url('ada'), modern.body, modern.headers)).status).toBe(400)
    const legacy = legacyRequest('tools/call', { name: 'echo' })
    const answer = await world.post(world.url('ada'), legacy.body, legacy.headers)
    expect([answer.status, (await answer.json()).error.code]).toEqual([200, -32020])
  })

  it.each([
    ['a 2026 client', connectModern, 'a 2026 upstream', startModernUpstream],
    ['a 2026 client', connectModern, 'a 2025 upstream', startLegacyUpstream],
    ['a 2025 client', connectLegacy, 'a 2026 upstream', startModernUpstream],
    ['a 2025 client', connectLegacy, 'a 2025 upstream', startLegacyUpstream],
  ])('cancels at the upstream when %s gives a call to %s%s up', async (_client, connectTo, _upstream, start) => {
    await using upstream = await start()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const client = await connectTo(world.url('ada'))
    const abort = new AbortController()
    const result = client.callTool({ name: 'wait' }, { signal: abort.signal }).catch((error: unknown) => error)
    while (upstream.executed.length === 0) await new Promise((resolve) => setImmediate(resolve))
    abort.abort()
    await upstream.cancelled
    expect(await result).toBeInstanceOf(Error)
    await client.close()
  })

  it('does not let one client cancel the call of another with the same request id', async () => {
    await using upstream = await startLegacyUpstream()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const open = async (): Promise<string> => {
      const { body } = legacyRequest('initialize', { protocolVersion: '2025-11-25', capabilities: {} })
      return (await world.post(world.url('ada'), body)).headers.get('mcp-session-id') ?? ''
    }
    const [mine, others] = [await open(), await open()]
    const base = { 'mcp-protocol-version': '2025-11-25' }
    const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'wait', arguments: {} } }
    const pending = world.post(world.url('ada'), message, { ...base, 'mcp-session-id': mine })
    while (upstream.executed.length === 0) await new Promise((resolve) => setImmediate(resolve))
    const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } }
    for (const headers of [{ ...base, 'mcp-session-id': others }, base])
      await world.post(world.url('ada'), cancel, headers)
    upstream.release()
    expect(await (await pending).text()).toContain('released')
  })

  it('answers what a 2025 upstream asks in the middle of a call, and keeps it from the client', async () => {
    const answered = Promise.withResolvers<Record<string, unknown>>()
    await using upstream = await startRawUpstream((message) => {
      const { id, method } = message
      if (method === 'server/discover') return new Response('', { status: 400 })
      if (method === 'initialize')
        return jsonResponse({
          jsonrpc: '2.0',
          id,
          result: { protocolVersion: '2025-06-18', capabilities: {}, serverInfo: {} },
        })
      if (method === 'notifications/initialized') return new Response(null, { status: 202 })
      if (method !== 'tools/call') {
        answered.resolve(message)
        return new Response(null, { status: 202 })
      }
      const stream = new ReadableStream({
        async start(controller) {
          const send = (value: unknown): void => controller.enqueue(Buffer.from(`data: ${JSON.stringify(value)}\n\n`))
          send({ jsonrpc: '2.0', id: 'ask', method: 'sampling/createMessage', params: { canary: true } })
          send({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'canary' } })
          send({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 'canary', progress: 1 } })
          await answered.promise
          send({ jsonrpc: '2.0', id, result: { content: [] } })
          controller.close()
        },
      })
      return new Response(stream, { headers: { 'content-type': 'text/event-stream' } })
    })
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const { body, headers } = modernRequest('tools/call', { name: 'echo' })
    const text = await (await world.post(world.url('ada'), body, headers)).text()
    expect(text).toContain('"resultType":"complete"')
    expect(text).not.toContain('canary')
    expect(await answered.promise).toMatchObject({ id: 'ask', error: { code: -32601 } })
  })

  it('ends a call when a 2025 upstream never stops asking, and sends it a bounded number of answers', async () => {
    const asked = 1000
    let answers = 0
    await using upstream = await startRawUpstream(({ id, method }) => {
      if (method === 'server/discover') return new Response('', { status: 400 })
      const result = { protocolVersion: '2025-06-18', capabilities: {}, serverInfo: {} }
      if (method === 'initialize') return jsonResponse({ jsonrpc: '2.0', id, result })
      if (method !== 'tools/call') {
        answers += 1
        return new Response(null, { status: 202 })
      }
      const ping = `data: ${JSON.stringify({ jsonrpc: '2.0', id: 'ask', method: 'ping' })}\n\n`
      return new Response(ping.repeat(asked), { headers: { 'content-type': 'text/event-stream' } })
    })
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const { body, headers } = modernRequest('tools/call', { name: 'echo' })
    const text = await (await world.post(world.url('ada'), body, headers)).text()
    expect(text).toContain('"code":-32010')
    // One of them is `notifications/initialized`.
    expect(answers).toBeLessThanOrEqual(17)
  })

  it('refuses an id that is too long to be kept for the time of a call', async () => {
    await using upstream = await startModernUpstream()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const { body, headers } = modernRequest('tools/call', { name: 'echo' })
    const long = body.replace(/"id":\d+/, `"id":"${'x'.repeat(1025)}"`)
    expect((await world.post(world.url('ada'), long, headers)).status).toBe(400)
  })

  it('T52: never sends a call twice when the connection breaks, wherever it breaks', async () => {
    await using upstream = await startModernUpstream()
    const target = Number(new URL(upstream.url).port)
    await using proxy = await startBreakingProxy(target)
    await using world = await createWorld({ connections: { mail: `http://127.0.0.1:${proxy.port}/mcp` } })
    await call(world, 'echo', { text: 'warm' })
    for (const limit of [0, 1, 40, 200, 400, 800, 1200]) {
      const before = upstream.executed.length
      proxy.breakAfter = { direction: 'up', bytes: limit }
      await call(world, 'echo', { text: 'x' })
      proxy.breakAfter = undefined
      expect(upstream.executed.length - before).toBeLessThanOrEqual(1)
    }
    for (const limit of [0, 1, 20, 100, 200]) {
      const before = upstream.executed.length
      proxy.breakAfter = { direction: 'down', bytes: limit }
      const answer = await call(world, 'echo', { text: 'x' })
      proxy.breakAfter = undefined
      expect(answer).toMatchObject({ error: { data: { connection: 'mail' } } })
      expect(upstream.executed.length - before).toBe(1)
    }
  })
})

/** A TCP proxy that resets both sides after so many bytes in one direction. */
async function startBreakingProxy(target: number) {
  const sockets = new Set<Socket>()
  const proxy = {
    port: 0,
    breakAfter: undefined as { direction: 'up' | 'down'; bytes: number } | undefined,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1')
    const both = [client, upstream]
    for (const socket of both) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => both.forEach((each) => each.destroy()))
    }
    const pump = (from: Socket, to: Socket, direction: 'up' | 'down'): void => {
      let broken: typeof proxy.breakAfter
      let left = 0
      from.on('data', (chunk) => {
        if (proxy.breakAfter !== broken) {
          broken = proxy.breakAfter
          left = broken?.bytes ?? 0
        }
        if (broken?.direction !== direction || left >= chunk.length) {
          left -= chunk.length
          to.write(chunk)
          return
        }
        to.write(chunk.subarray(0, left), () => both.forEach((each) => each.resetAndDestroy()))
      })
    }
    pump(client, upstream, 'up')
    pump(upstream, client, 'down')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address === 'object' && address !== null) proxy.port = address.port
  return proxy
}
