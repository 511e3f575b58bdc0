import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { legacyRequest, modernRequest } from './support/clients.ts'
import { jsonResponse, startRawUpstream, startScriptedUpstream } from './support/upstreams.ts'
import { createWorld, type World } from './support/world.ts'

const MIB = 1024 * 1024

async function list(world: World) {
  const { body, headers } = modernRequest('tools/list')
  return (await (await world.post(world.url('ada'), body, headers)).json()).result
}

async function call(world: World, name = 'one', args: unknown = {}) {
  const { body, headers } = modernRequest('tools/call', { name, arguments: args })
  const response = await world.post(world.url('ada'), body, headers)
  return { status: response.status, text: await response.text() }
}

const nested = (depth: number) => `${'{"properties":{"a":'.repeat(depth)}{}${'}}'.repeat(depth)}`
const wide = (count: number) =>
  `{"type":"object","properties":{${Array.from({ length: count }, (_, index) => `"p${index}":{}`).join(',')}}}`
const toolOf = (name: string, schema: string, member = 'inputSchema') => `{"name":"${name}","${member}":${schema}}`

describe('createMcpEndpoint, schemas', () => {
  it.each([
    ['nests deeper than 64 levels', nested(40), 'too_deep'],
    ['nests 5,000 levels deep', nested(5_000), 'too_deep'],
    ['has more than 5,000 schemas', wide(5_001), 'too_many_schemas'],
    ['is longer than 256 KiB', `{"type":"object","description":"${'x'.repeat(256 * 1024)}"}`, 'too_long'],
  ])(
    'T46: leaves out a tool whose schema %s, names it with the reason, and lists the others',
    async (_case, schema, problem) => {
      for (const member of ['inputSchema', 'outputSchema']) {
        const good = toolOf('good', '{"type":"object","properties":{"a":{"pattern":"^(a+)+$"}}}')
        await using upstream = await startScriptedUpstream(`[${toolOf('bomb', schema, member)},${good}]`)
        await using world = await createWorld({ connections: { mail: upstream.url } })
        const { tools, _meta: meta } = await list(world)
        expect(tools).toEqual([JSON.parse(good)])
        expect(meta['latchkey/refused']).toEqual([{ connection: 'mail', name: 'bomb', problem }])
        expect(world.logLines.at(-1)).toMatchObject({ tools: 1, refusedItems: 1 })
      }
    },
  )

  it('T46: keeps a tool whose schema is just within the limits', async () => {
    const tools = [toolOf('deep', nested(31)), toolOf('many', wide(4_990))]
    await using upstream = await startScriptedUpstream(`[${tools.join(',')}]`)
    await using world = await createWorld({ connections: { mail: upstream.url } })
    expect((await list(world)).tools).toEqual(tools.map((tool) => JSON.parse(tool)))
  })

  it('T46: names no refused tool that the config does not allow', async () => {
    await using upstream = await startScriptedUpstream(`[${toolOf('bomb', nested(100))},${toolOf('good', '{}')}]`)
    await using world = await createWorld({ connections: { mail: upstream.url }, allow: { mail: ['good'] } })
    const { _meta: meta } = await list(world)
    expect(meta).not.toHaveProperty('latchkey/refused')
  })

  it.each([
    ['as they are', []],
    ['pinned', ['mail']],
  ])(
    'T46: names no refused tool to a session token that is narrowed to others, of tools that are taken %s',
    async (_case, pin) => {
      const tools = ['bomb', 'other'].map((name) => toolOf(name, nested(100)))
      await using upstream = await startScriptedUpstream(`[${tools.join(',')},${toolOf('good', '{}')}]`)
      await using world = await createWorld({ connections: { mail: upstream.url }, pin })
      const refusedTo = async (narrowing: readonly string[]) => {
        const authorization = `Bearer ${await world.token('ada', { tools: narrowing })}`
        const { body, headers } = modernRequest('tools/list')
        const response = await world.post(world.staticUrl(), body, { ...headers, authorization })
        const { result } = await response.json()
        expect(result.tools).toEqual([JSON.parse(toolOf('good', '{}'))])
        return result['_meta']['latchkey/refused']
      }
      expect(await refusedTo(['good'])).toBeUndefined()
      expect(await refusedTo(['good', 'bomb'])).toEqual([{ connection: 'mail', name: 'bomb', problem: 'too_deep' }])
    },
  )

  it('T46: never fetches what a schema refers to, and compiles no pattern', async () => {
    let fetched = 0
    await using canary = await startRawUpstream(() => {
      fetched += 1
      return jsonResponse({})
    })
    const schema = `{"$ref":"${canary.url}","properties":{"a":{"$dynamicRef":"${canary.url}#x","pattern":"^(a+)+$"}}}`
    await using upstream = await startScriptedUpstream(`[${toolOf('one', schema)}]`, (body) =>
      jsonResponse({ jsonrpc: '2.0', id: JSON.parse(body).id, result: { resultType: 'complete', content: [] } }),
    )
    await using world = await createWorld({ connections: { mail: upstream.url } })
    expect((await list(world)).tools).toEqual([JSON.parse(toolOf('one', schema))])
    expect((await call(world, 'one', { a: `${'a'.repeat(40)}!` })).status).toBe(200)
    expect(fetched).toBe(0)
  })

  it('T46: names the upstream and serves the others when a whole list is a bomb', async () => {
    const deep = `${'['.repeat(MIB / 2)}${']'.repeat(MIB / 2)}`
    await using bomb = await startScriptedUpstream(`[{"name":"a","inputSchema":${deep}}]`)
    await using flat = await startScriptedUpstream(`[${'[],'.repeat(150_000)}1]`)
    await using good = await startScriptedUpstream(`[${toolOf('fine', '{}')}]`)
    await using world = await createWorld({ connections: { bomb: bomb.url, flat: flat.url, good: good.url } })
    const { tools, _meta: meta } = await list(world)
    expect(tools.map(({ name }: { name: string }) => name)).toEqual(['good__fine'])
    expect(meta['latchkey/unavailable']).toEqual([
      { connection: 'bomb', reason: 'invalid_response' },
      { connection: 'flat', reason: 'invalid_response' },
    ])
  })
})

const BOMBS: readonly (readonly [string, string])[] = [
  ['10 MiB of open brackets', '['.repeat(10 * MIB - 200)],
  ['5 million nested arrays', '['.repeat(5 * MIB - 100) + ']'.repeat(5 * MIB - 100)],
  ['a million nested objects', '{"a":'.repeat(1_500_000) + '1' + '}'.repeat(1_500_000)],
  ['3 million empty arrays', `[${'[],'.repeat(3_400_000)}1]`],
  ['800,000 keys', `{${Array.from({ length: 800_000 }, (_, index) => `"k${index}":1,`).join('')}"z":1}`],
]

describe('createMcpEndpoint, hazards of JSON', () => {
  it.each(BOMBS)('T47: refuses a request of %s, and serves the next', async (_kind, bomb) => {
    await using upstream = await startScriptedUpstream(`[${toolOf('one', '{}')}]`)
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const before = upstream.seen.length
    for (const body of [
      bomb,
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"one","arguments":${bomb}}}`,
    ]) {
      const response = await world.post(world.url('ada'), body)
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ jsonrpc: '2.0', id: null, error: { code: -32_600 } })
    }
    expect(upstream.seen.length).toBe(before)
    expect((await list(world)).tools).toHaveLength(1)
  })

  it.each(BOMBS)('T47: takes no answer of %s, as JSON and as an event, and serves the next', async (_kind, bomb) => {
    let asEvent = false
    await using upstream = await startScriptedUpstream(`[${toolOf('one', '{}')}]`, (body) => {
      const text = `{"jsonrpc":"2.0","id":${JSON.parse(body).id},"result":{"content":${bomb.slice(0, MIB - 200)}}}`
      return asEvent
        ? new Response(`data: ${text}\n\n`, { headers: { 'content-type': 'text/event-stream' } })
        : jsonResponse(`{"jsonrpc":"2.0","id":${JSON.parse(body).id},"result":{"content":${bomb}}}`)
    })
    await using world = await createWorld({ connections: { mail: upstream.url } })
    for (asEvent of [false, true]) {
      const { status, text } = await call(world)
      expect(status).toBe(200)
      // What is left of a bomb where an event ends may be no JSON any more.
      const cut = asEvent ? '|ended its answer before it was complete' : ''
      expect(text).toMatch(new RegExp(`levels or values than the gateway takes${cut}`))
      expect(text.length).toBeLessThan(1_000)
    }
    expect((await list(world)).tools).toHaveLength(1)
  })
})

describe('createMcpEndpoint, names and numbers', () => {
  const ODD = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf']

  it('T47: takes tools, arguments, headers and users named like what every object has for what they are', async () => {
    const tools = ODD.map((name) =>
      toolOf(name, `{"type":"object","properties":{"__proto__":{"type":"string","x-mcp-header":"__proto__"}}}`),
    )
    await using upstream = await startScriptedUpstream(`[${tools.join(',')}]`, (body) => {
      const { id, params } = JSON.parse(body)
      const text = JSON.stringify(params.arguments)
      const headers = { 'content-type': 'application/json', constructor: 'x', ['__proto__']: 'y' }
      const result = { resultType: 'complete', content: [{ type: 'text', text }], ['__proto__']: 1, constructor: 2 }
      return new Response(JSON.stringify({ jsonrpc: '2.0', id, result }), { headers })
    })
    await using world = await createWorld({ connections: { constructor: upstream.url, toString: upstream.url } })
    for (const user of ODD) {
      for (const name of ODD) {
        const params = `{"name":"toString__${name}","arguments":{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"toString":null}}`
        const { headers } = modernRequest('tools/call', { name: `toString__${name}` })
        const meta = JSON.stringify(JSON.parse(modernRequest('ping').body).params['_meta'])
        const body = `{"jsonrpc":"2.0","id":"__proto__","method":"tools/call","params":{"_meta":${meta},${params.slice(1)}}`
        const legacy = legacyRequest('tools/call')
        const legacyBody = `{"jsonrpc":"2.0","id":"__proto__","method":"tools/call","params":${params}}`
        for (const [text, own] of [
          [body, { ...headers, 'mcp-param-__proto__': 'x' }],
          [legacyBody, legacy.headers],
        ] as const) {
          const answer = JSON.parse(await (await world.post(world.url(user), text, own)).text())
          expect(answer.id).toBe('__proto__')
          expect(answer.result.content[0].text).toBe(
            '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"toString":null}',
          )
        }
      }
    }
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    expect(Object.keys(Object.prototype)).toEqual([])
  })

  it.each(['1e400', '9007199254740993', '-0', '1.0', '0.1e-7', '12345678901234567890.123'])(
    'T47: passes the number %s on as it is written, in both directions and eras',
    async (number) => {
      await using upstream = await startScriptedUpstream(`[${toolOf('one', '{}')}]`, (body) =>
        jsonResponse(
          `{"jsonrpc":"2.0","id":${JSON.parse(body).id},"result":{"resultType":"complete","content":[],"structuredContent":{"n":${number}}}}`,
        ),
      )
      await using world = await createWorld({ connections: { mail: upstream.url } })
      for (const { body, headers } of [
        modernRequest('tools/call', { name: 'one', arguments: { n: 'NUMBER' } }),
        legacyRequest('tools/call', { name: 'one', arguments: { n: 'NUMBER' } }),
      ]) {
        const written = body.replace('"NUMBER"', number)
        const text = await (await world.post(world.url('ada'), written, headers)).text()
        expect(text).toContain(`{"n":${number}}`)
        expect(upstream.seen.at(-1)?.body).toContain(`{"n":${number}}`)
      }
    },
  )

  it.each(['name', 'arguments', '_meta', 'requestState'])(
    'T47: refuses a call that has its %s twice, whatever the way it is written',
    async (key) => {
      await using upstream = await startScriptedUpstream(`[${toolOf('one', '{}')}]`)
      await using world = await createWorld({ connections: { mail: upstream.url } })
      const escaped = `\\u00${key.charCodeAt(0).toString(16)}${key.slice(1)}`
      for (const twin of [key, escaped]) {
        const { headers } = legacyRequest('tools/call')
        const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"one","${key}":{},"${twin}":{}}}`
        expect((await world.post(world.url('ada'), body, headers)).status).toBe(400)
      }
      expect(upstream.seen).toEqual([])
    },
  )
})

describe('createMcpEndpoint, answers that are too long or not for the client', () => {
  const CANARY = 'canary-of-the-inside'

  it('T44: says which limit it was when an event is longer than 1 MiB', async () => {
    await using upstream = await startScriptedUpstream(`[${toolOf('one', '{}')}]`, (body) => {
      const text = `{"jsonrpc":"2.0","id":${JSON.parse(body).id},"result":{"content":["${'x'.repeat(MIB)}"]}}`
      return new Response(`data: ${text}\n\n`, { headers: { 'content-type': 'text/event-stream' } })
    })
    await using world = await createWorld({ connections: { mail: upstream.url } })
    expect((await call(world)).text).toContain('sent an event of more than 1048576 characters')
  })

  it('T44: says which limit it was when a result is longer than 10 MiB, compressed or not', async () => {
    const answers = [
      (text: string) => jsonResponse(text),
      (text: string) =>
        new Response(gzipSync(text), { headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' } }),
    ]
    for (const answer of answers) {
      await using upstream = await startScriptedUpstream(`[${toolOf('one', '{}')}]`, (body) =>
        answer(`{"jsonrpc":"2.0","id":${JSON.parse(body).id},"result":{"content":["${'x'.repeat(11 * MIB)}"]}}`),
      )
      await using world = await createWorld({ connections: { mail: upstream.url } })
      expect((await call(world)).text).toContain('answered with more than 10485760 bytes')
    }
  })

  it('T44: cuts an event off that has a million fields', async () => {
    await using upstream = await startScriptedUpstream(
      `[${toolOf('one', '{}')}]`,
      () => new Response('data: x\n'.repeat(1_000_000), { headers: { 'content-type': 'text/event-stream' } }),
    )
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const { status, text } = await call(world)
    expect(status).toBe(200)
    expect(text).toContain('"connection":"mail"')
    expect((await list(world)).tools).toHaveLength(1)
  })

  it.each([200, 301, 400, 403, 404, 500])(
    'T41 T43: repeats nothing of an answer with status %i that is no message, nor of its headers',
    async (status) => {
      await using upstream = await startScriptedUpstream(
        `[${toolOf('one', '{}')}]`,
        () =>
          new Response(`<html>${CANARY}`, {
            status,
            headers: {
              'content-type': 'text/html',
              'set-cookie': CANARY,
              location: `https://${CANARY}.example/`,
              'www-authenticate': `Bearer resource_metadata="https://${CANARY}.example/"`,
              'alt-svc': CANARY,
              'clear-site-data': CANARY,
              'access-control-allow-origin': CANARY,
              'mcp-session-id': CANARY,
            },
          }),
      )
      await using world = await createWorld({ connections: { mail: upstream.url } })
      for (const { body, headers } of [
        modernRequest('tools/call', { name: 'one' }),
        legacyRequest('tools/call', { name: 'one' }),
      ]) {
        const response = await world.post(world.url('ada'), body, headers)
        const all = `${JSON.stringify([...response.headers])}${await response.text()}${JSON.stringify(world.logLines)}`
        expect(all).not.toContain(CANARY)
        expect(all).toContain('mail')
      }
    },
  )

  it('T43: relays no header of an answer that is a message', async () => {
    await using upstream = await startScriptedUpstream(`[${toolOf('one', '{}')}]`, (body) => {
      const text = JSON.stringify({ jsonrpc: '2.0', id: JSON.parse(body).id, result: { content: [] } })
      const own = { 'set-cookie': CANARY, 'alt-svc': CANARY, 'access-control-allow-origin': '*', 'x-other': CANARY }
      return new Response(text, { headers: { 'content-type': 'application/json', ...own } })
    })
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const { body, headers } = modernRequest('tools/call', { name: 'one' })
    const response = await world.post(world.url('ada'), body, headers)
    const names = [...response.headers.keys()]
    expect(
      names.filter(
        (name) =>
          !['cache-control', 'connection', 'content-length', 'content-type', 'date', 'keep-alive'].includes(name) &&
          name !== 'transfer-encoding',
      ),
    ).toEqual([])
    expect(await response.text()).toContain('"result"')
  })
})

const QUESTION = { method: 'elicitation/create', params: { mode: 'form', message: 'x', requestedSchema: {} } }

/** Answers a call by asking this many times at once. */
function asks(body: string, count: number, question: object = QUESTION): Response {
  const inputRequests = Object.fromEntries(Array.from({ length: count }, (_, index) => [`q${index}`, question]))
  const result = { resultType: 'input_required', inputRequests }
  return jsonResponse({ jsonrpc: '2.0', id: JSON.parse(body).id, result })
}

/** A call of a client of 2025-11-25 that can be asked. */
async function askableCall(world: World) {
  const initialize = legacyRequest('initialize', {
    protocolVersion: '2025-11-25',
    capabilities: { elicitation: { form: {} } },
    clientInfo: { name: 'x', version: '1' },
  })
  const opened = await world.post(world.url('ada'), initialize.body, initialize.headers)
  const session = opened.headers.get('mcp-session-id') ?? ''
  await opened.text()
  const { body, headers } = legacyRequest('tools/call', { name: 'one', arguments: {} })
  return { body, headers: { ...headers, 'mcp-session-id': session } }
}

/** What a client is told whose upstream, of 2026-07-28, asks so many things at once. */
async function askedFor(count: number): Promise<string> {
  await using upstream = await startScriptedUpstream('[]', (body) => asks(body, count))
  await using world = await createWorld({ connections: { mail: upstream.url } })
  const { body, headers } = await askableCall(world)
  return await (await world.post(world.url('ada'), body, headers)).text()
}

/** Sends a request, reads its answer up to this text, and goes away without having read the rest. */
async function leaveAt(text: string, url: string, body: string, headers: Record<string, string>): Promise<void> {
  const { hostname, host, port, pathname } = new URL(url)
  const own = { host, 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
  const all = { ...own, ...headers, 'content-length': Buffer.byteLength(body) }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
  const socket = connect(Number(port), hostname)
  socket.write(`POST ${pathname} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`)
  let received = ''
  for await (const piece of socket.setEncoding('utf8')) {
    received += piece
    // Which destroys the socket.
    if (received.includes(text)) return
  }
  throw new Error(`the answer ended before ${text}: ${received}`)
}

describe('createMcpEndpoint, an upstream that asks too much', () => {
  it('ends the call when there are more questions in one round than a person answers', async () => {
    expect(await askedFor(10_000)).toContain('asks what its client cannot be asked')
  })

  it('ends the call when it asks for nothing, again and again', async () => {
    expect(await askedFor(0)).toContain('asked for input more than 10 times')
  })

  // Regression: nobody waited yet for the answers to what the client had not read, and that they failed ended the process.
  // Vitest fails for a rejection that nobody handles.
  it('goes on with other calls when a client gives a call up and has not read what it is asked', async () => {
    const long = { ...QUESTION, params: { ...QUESTION.params, message: 'x'.repeat(MIB / 2) } }
    await using upstream = await startScriptedUpstream('[]', (body) => {
      const { id, params } = JSON.parse(body)
      if (params.arguments?.isLast !== true) return asks(body, 16, long)
      return jsonResponse({ jsonrpc: '2.0', id, result: { resultType: 'complete', content: [] } })
    })
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const { body, headers } = await askableCall(world)
    await leaveAt('elicitation/create', world.url('ada'), body, headers)
    await expect.poll(() => world.logLines.at(-1)).toMatchObject({ outcome: 'aborted' })
    expect((await call(world, 'one', { isLast: true })).text).toContain('"result"')
  })
})
