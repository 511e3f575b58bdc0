import { describe, expect, it } from 'vitest'
import { connectModern, legacyRequest, modernRequest } from './support/clients.ts'
import { jsonResponse, startModernUpstream, startRawUpstream, startScriptedUpstream } from './support/upstreams.ts'
import { createWorld, type World } from './support/world.ts'

const tool = (name: string): string => `{"name":${JSON.stringify(name)},"inputSchema":{"type":"object"}}`

interface Listing {
  readonly tools: readonly { readonly name: string }[]
  readonly ttlMs: number
  readonly _meta: Readonly<Record<string, unknown>>
}

async function list(world: World, user = 'ada'): Promise<{ text: string; result: Listing }> {
  const { body, headers } = modernRequest('tools/list')
  const text = await (await world.post(world.url(user), body, headers)).text()
  return { text, result: JSON.parse(text).result }
}

const names = ({ result }: { result: Listing }): string[] => result.tools.map(({ name }) => name)

describe('createMcpEndpoint, tools/list', () => {
  it('keeps every byte of a tool but its name', async () => {
    const odd = `{ "zeta": 12345678901234567890, "description":"caf\\u00e9", "name" : "a\\u002db", "inputSchema": {"type":"object","properties":{"name":{"default":1.0},"__proto__":{}}},  "_meta":{"x":[1e400]} }`
    await using one = await startScriptedUpstream(`[${odd}]`)
    await using two = await startScriptedUpstream('[]')
    await using alone = await createWorld({ connections: { mail: one.url } })
    expect((await list(alone)).text).toContain(odd)
    await using several = await createWorld({ connections: { mail: one.url, other: two.url } })
    expect((await list(several)).text).toContain(odd.replace('"a\\u002db"', '"mail__a-b"'))
  })

  it('lists in the order of the config and then of the upstream, whoever answers first', async () => {
    const late = Promise.withResolvers<void>()
    await using slow = await startRawUpstream(async (message) => {
      const id = JSON.stringify(message['id'])
      if (message['method'] === 'tools/list') await late.promise
      const result =
        message['method'] === 'tools/list'
          ? `{"resultType":"complete","tools":[${tool('z')},${tool('a')}]}`
          : '{"supportedVersions":["2026-07-28"]}'
      return jsonResponse(`{"jsonrpc":"2.0","id":${id},"result":${result}}`)
    })
    await using fast = await startRawUpstream((message) => {
      const id = JSON.stringify(message['id'])
      if (message['method'] === 'tools/list') late.resolve()
      const result =
        message['method'] === 'tools/list'
          ? `{"resultType":"complete","tools":[${tool('m')}]}`
          : '{"supportedVersions":["2026-07-28"]}'
      return jsonResponse(`{"jsonrpc":"2.0","id":${id},"result":${result}}`)
    })
    await using world = await createWorld({ connections: { one: slow.url, two: fast.url } })
    expect(names(await list(world))).toEqual(['one__z', 'one__a', 'two__m'])
  })

  it('follows every page', async () => {
    await using upstream = await startRawUpstream((message, _request, body) => {
      const { id, method } = message
      if (method === 'server/discover')
        return jsonResponse({ jsonrpc: '2.0', id, result: { supportedVersions: ['2026-07-28'] } })
      const page = Number(/"cursor":"(\d+)"/.exec(body)?.[1] ?? 0)
      const nextCursor = page < 9 ? String(page + 1) : undefined
      return jsonResponse({
        jsonrpc: '2.0',
        id,
        result: { tools: [{ name: `t${page}`, inputSchema: {} }], nextCursor },
      })
    })
    await using world = await createWorld({ connections: { mail: upstream.url } })
    expect(names(await list(world))).toEqual(Array.from({ length: 10 }, (_, page) => `t${page}`))
  })

  it("names the upstreams that are dead, slow, lying or not authorized, and lists the others' tools", async () => {
    await using good = await startModernUpstream()
    await using html = await startRawUpstream(
      () => new Response('<h1>canary</h1>', { headers: { 'content-type': 'text/html' } }),
    )
    await using endless = await startRawUpstream((message) => {
      const { id, method } = message
      if (method === 'server/discover')
        return jsonResponse({ jsonrpc: '2.0', id, result: { supportedVersions: ['2026-07-28'] } })
      return jsonResponse({ jsonrpc: '2.0', id, result: { tools: [], nextCursor: 'again' } })
    })
    await using bomb = await startScriptedUpstream(`[{"name":"x","description":"${'x'.repeat(3 * 1024 * 1024)}"}]`)
    await using failing = await startRawUpstream(() => new Response('canary', { status: 500 }))
    await using silent = await startRawUpstream(() => new Promise<Response>(() => undefined))
    const closed = await startModernUpstream()
    await closed[Symbol.asyncDispose]()
    await using world = await createWorld({
      connections: {
        html: html.url,
        endless: endless.url,
        bomb: bomb.url,
        failing: failing.url,
        silent: silent.url,
        dead: closed.url,
        locked: good.url,
        revoked: good.url,
        good: good.url,
      },
      listTimeoutMs: 2500,
    })
    world.setStatus('ada', 'locked', 'PENDING_AUTH')
    const refused = world.account('ada', 'revoked').id
    world.refreshable = false
    good.intercept = (request) =>
      request.headers.get('authorization')?.includes(refused) === true ? new Response('', { status: 401 }) : undefined
    const { text, result } = await list(world)
    expect(names({ result })).toEqual(['good__echo', 'good__wait', 'good__steps'])
    expect(result['_meta']['latchkey/unavailable']).toEqual([
      { connection: 'html', reason: 'invalid_response' },
      { connection: 'endless', reason: 'invalid_response' },
      { connection: 'bomb', reason: 'invalid_response' },
      { connection: 'failing', reason: 'unreachable' },
      { connection: 'silent', reason: 'unreachable' },
      { connection: 'dead', reason: 'unreachable' },
      { connection: 'locked', reason: 'authorization_required' },
      { connection: 'revoked', reason: 'authorization_required' },
    ])
    expect(result.ttlMs).toBeLessThanOrEqual(1000)
    expect(text).not.toContain('canary')
  })

  it('T16: keeps a list for as long as the upstream says, for one account only, and never tells it to be public', async () => {
    await using upstream = await startScriptedUpstream(
      `[${tool('a')}]`,
      undefined,
      '"ttlMs":5000,"cacheScope":"public"',
    )
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const lists = (): number => upstream.seen.filter(({ body }) => body.includes('tools/list')).length
    await Promise.all(Array.from({ length: 10 }, () => list(world)))
    expect(lists()).toBe(1)
    world.clock.now += 4999
    expect((await list(world)).result).toMatchObject({ cacheScope: 'private', ttlMs: 60_000 })
    expect(lists()).toBe(1)
    world.clock.now += 1
    await list(world)
    expect(lists()).toBe(2)
    await list(world, 'grace')
    expect(lists()).toBe(3)
  })

  it('asks anew after a change of the account', async () => {
    await using upstream = await startScriptedUpstream(`[${tool('a')}]`)
    await using world = await createWorld({ connections: { mail: upstream.url } })
    await list(world)
    world.setStatus('ada', 'mail', 'EXPIRED')
    expect((await list(world)).result).toMatchObject({
      tools: [],
      _meta: { 'latchkey/unavailable': [{ connection: 'mail', reason: 'authorization_required' }] },
    })
    world.setStatus('ada', 'mail', 'ACTIVE')
    expect(names(await list(world))).toEqual(['a'])
    expect(upstream.seen.filter(({ body }) => body.includes('tools/list'))).toHaveLength(2)
  })

  it('names a tool the same whether the other connections are there or not', async () => {
    await using upstream = await startScriptedUpstream(
      `[${tool('send mail')},${tool('a'.repeat(80))},${tool('plain')}]`,
    )
    await using world = await createWorld({ connections: { mail: upstream.url, other: upstream.url } })
    const before = names(await list(world)).filter((name) => name.startsWith('mail__'))
    world.setStatus('ada', 'other', 'DISCONNECTED')
    expect(names(await list(world))).toEqual(before)
    expect(before).toEqual([
      expect.stringMatching(/^mail__send_mail_[0-9a-f]{8}$/),
      expect.stringMatching(/^mail__a{49}_[0-9a-f]{8}$/),
      'mail__plain',
    ])
  })

  it('takes a tool called __proto__, toString or the like for what it is', async () => {
    const odd = ['__proto__', 'constructor', 'toString', 'hasOwnProperty']
    await using upstream = await startScriptedUpstream(`[${odd.map(tool).join(',')}]`)
    await using world = await createWorld({
      connections: { mail: upstream.url },
      allow: { mail: ['constructor', '__proto__'] },
    })
    expect(names(await list(world))).toEqual(['__proto__', 'constructor'])
  })

  it('does not look into a schema, however deep or hostile', async () => {
    const deep = `${'{"properties":{"a":'.repeat(5000)}{}${'}}'.repeat(5000)}`
    const hostile = '{"type":"object","properties":{"a":{"type":"string","pattern":"^(a+)+$"}}}'
    await using upstream = await startScriptedUpstream(
      `[{"name":"deep","inputSchema":${deep}},{"name":"slow","inputSchema":${hostile}}]`,
    )
    await using world = await createWorld({ connections: { mail: upstream.url } })
    expect((await list(world)).text).toContain(hostile)
  })

  it('leaves out an output schema that a 2025 client would refuse the whole list for', async () => {
    const text = '{"name":"n","inputSchema":{"type":"object"},"outputSchema":{"type":"array"},"description":"d"}'
    await using upstream = await startScriptedUpstream(`[${text}]`)
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const { body, headers } = legacyRequest('tools/list')
    const { result } = await (await world.post(world.url('ada'), body, headers)).json()
    expect(result).toEqual({ tools: [{ name: 'n', inputSchema: { type: 'object' }, description: 'd' }] })
    expect((await list(world)).text).toContain(text)
  })

  it('T16: gives nobody what the upstream says is public, where another user got it, and calls every answer private', async () => {
    await using upstream = await startRawUpstream((message, request) => {
      const { id } = message
      const canary = `canary of ${request.headers.get('authorization')}`
      const item = { name: 'a', uri: 'x:a', uriTemplate: 'x:{a}', description: canary, inputSchema: { type: 'object' } }
      const lists = { tools: [item], prompts: [item], resources: [item], resourceTemplates: [item] }
      const result = { supportedVersions: ['2026-07-28'], ...lists, contents: [{ uri: 'x:a', text: canary }] }
      const cached = { resultType: 'complete', ttlMs: 60_000, cacheScope: 'public' }
      return jsonResponse({ jsonrpc: '2.0', id, result: { ...result, ...cached } })
    })
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const methods = ['server/discover', 'tools/list', 'prompts/list', 'resources/list', 'resources/templates/list']
    for (const user of ['ada', 'grace']) {
      for (const method of [...methods, 'resources/read']) {
        const { body, headers } = modernRequest(method, method === 'resources/read' ? { uri: 'x:a' } : {})
        const named = method === 'resources/read' ? { ...headers, 'mcp-name': 'x:a' } : headers
        const text = await (await world.post(world.url(user), body, named)).text()
        expect(JSON.parse(text).result).toMatchObject({ cacheScope: 'private' })
        expect(text).not.toContain('"public"')
        const others = user === 'ada' ? 'grace' : 'ada'
        expect(text).not.toContain(world.account(others, 'mail').id)
        // What the endpoint can do is the same for everybody.
        expect(text.includes(world.account(user, 'mail').id)).toBe(method !== 'server/discover')
      }
    }
  })

  it('is paged where there is much, and finds what is called by a name of its last page', async () => {
    const all = Array.from({ length: 2_500 }, (_, index) => ({
      name: `tool ${index}`,
      inputSchema: { type: 'object' },
    }))
    const called: unknown[] = []
    await using upstream = await startRawUpstream((message) => {
      const { id, method, params } = message
      const { name, cursor = '0' } = Object(params)
      if (method === 'tools/call') called.push(name)
      const [from, to] = [Number(cursor), Number(cursor) + 400]
      const next = to < all.length ? { nextCursor: String(to) } : {}
      const result = {
        resultType: 'complete',
        supportedVersions: ['2026-07-28'],
        tools: all.slice(from, to),
        content: [],
      }
      return jsonResponse({ jsonrpc: '2.0', id, result: { ...result, ...next } })
    })
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const client = await connectModern(world.url('ada'))
    const { tools } = await client.listTools()
    expect(new Set(tools.map(({ name }) => name)).size).toBe(all.length)
    await client.callTool({ name: tools.at(-1)?.name ?? '' })
    expect(called).toEqual(['tool 2499'])
    const { body, headers } = modernRequest('tools/list', { cursor: 'made-up' })
    expect(await (await world.post(world.url('ada'), body, headers)).json()).toMatchObject({ error: { code: -32602 } })
    await client.close()
  })
})
