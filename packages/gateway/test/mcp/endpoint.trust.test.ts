import { describe, expect, it } from 'vitest'
import { createCommit } from '../../src/accounts/commit.ts'
import { createChanges } from '../../src/events/changes.ts'
import { createToolPins } from '../../src/trust/toolPins.ts'
import { listedTool } from '../../src/upstream/listedTool.ts'
import { legacyRequest, modernRequest } from './support/clients.ts'
import { jsonResponse, startRawUpstream, type TestUpstream } from './support/upstreams.ts'
import { createWorld, type World } from './support/world.ts'

/** What an answer may hold, as far as these tests look. */
// oxlint-disable-next-line no-explicit-any -- whatever the endpoint answers is compared, member by member
type Answered = Record<string, any>

interface Changing extends AsyncDisposable {
  readonly upstream: TestUpstream
  /** The tools that it lists now, as JSON text. */
  tools: string
  /** Bodies of the calls that it got. */
  readonly calls: string[]
}

/** An upstream that lists what the test says, and tells nobody how long that is good. */
async function startChanging(tools: string, listMember = 'tools'): Promise<Changing> {
  const calls: string[] = []
  const upstream = await startRawUpstream((message, _request, body) => {
    const id = JSON.stringify(message['id'])
    const answer = (result: string) => jsonResponse(`{"jsonrpc":"2.0","id":${id},"result":${result}}`)
    if (message['method'] === 'server/discover') return answer('{"supportedVersions":["2026-07-28"]}')
    if (String(message['method']).endsWith('/list')) {
      return answer(`{"resultType":"complete","ttlMs":0,"${listMember}":${changing.tools}}`)
    }
    calls.push(body)
    return answer(
      '{"resultType":"complete","content":[{"type":"text","text":"done \\u202e\\u001b[31m\\u{200b}"}]}'.replace(
        '\\u{200b}',
        '\\u200b',
      ),
    )
  })
  const changing: Changing = { upstream, tools, calls, [Symbol.asyncDispose]: () => upstream[Symbol.asyncDispose]() }
  return changing
}

async function list(world: World, user = 'ada', method = 'tools/list'): Promise<Answered> {
  const { body, headers } = modernRequest(method)
  return (await (await world.post(world.url(user), body, headers)).json()).result
}

async function names(world: World, user = 'ada'): Promise<string[]> {
  return (await list(world, user))['tools'].map((tool: { name: string }) => tool.name)
}

async function call(world: World, name: string): Promise<Answered> {
  const { body, headers } = modernRequest('tools/call', { name, arguments: {} })
  return await (await world.post(world.url('ada'), body, headers)).json()
}

async function audited(world: World, action: string) {
  const rows = await world.store.audit.list({ limit: 100 })
  return rows.filter((row) => row.action === action).map(({ details }) => details)
}

const tool = (name: string, description: string): string =>
  `{"name":"${name}","description":"${description}","inputSchema":{"type":"object"}}`

describe('createMcpEndpoint, for a connection that pins its tools', () => {
  it('T48: neither lists nor calls a tool whose description has changed by one character, until it is approved', async () => {
    await using changing = await startChanging(`[${tool('read', 'Reads mail')},${tool('send', 'Sends mail')}]`)
    await using world = await createWorld({ connections: { mail: changing.upstream.url }, pin: ['mail'] })
    expect(await names(world)).toEqual(['read', 'send'])
    expect(await call(world, 'read')).toHaveProperty('result')
    expect(changing.calls).toHaveLength(1)

    changing.tools = `[${tool('read', 'Reads mail.')},${tool('send', 'Sends mail')}]`
    expect(await names(world)).toEqual(['send'])
    const unknown = await call(world, 'no_such_tool')
    const denied = await call(world, 'read')
    expect(denied['error']).toEqual({ ...unknown['error'], message: 'Unknown tool: read' })
    expect(denied['error'].code).toBe(-32_602)
    expect(changing.calls).toHaveLength(1)

    const pin = theOne(await world.toolPins.list({ connectionId: 'conn_mail', state: 'quarantined', limit: 10 }))
    expect(pin).toMatchObject({ tool: 'read', definition: expect.stringContaining('Reads mail.') })
    expect(await world.toolPins.lastApproved(pin)).toMatchObject({
      definition: expect.stringContaining('"Reads mail"'),
    })
    expect(await audited(world, 'tool.quarantined')).toEqual([{ tool: 'read', digest: pin.digest }])

    await world.toolPins.decide(world.connection('mail'), [pin], 'approved')
    expect(await names(world)).toEqual(['read', 'send'])
    expect(await call(world, 'read')).toHaveProperty('result')
    expect(await audited(world, 'tool.approved')).toEqual([{ tool: 'read', digest: pin.digest }])
  })

  it('T48: does not call a changed tool by the list of before, nor when the list cannot be compared', async () => {
    await using changing = await startChanging(`[${tool('read', 'Reads mail')}]`)
    await using world = await createWorld({ connections: { mail: changing.upstream.url }, pin: ['mail'] })
    await names(world)
    changing.tools = `[${tool('read', 'Reads mail and sends it on')}]`
    expect(await call(world, 'read')).toMatchObject({ error: { code: -32_602 } })
    changing.upstream.intercept = (_request, body) =>
      body.includes('tools/list') ? new Response('', { status: 503 }) : undefined
    expect(await call(world, 'read')).toMatchObject({ error: { message: expect.stringContaining('"mail"') } })
    expect(changing.calls).toEqual([])
  })

  it('T48: quarantines a tool that is new', async () => {
    await using changing = await startChanging(`[${tool('read', 'Reads mail')}]`)
    await using world = await createWorld({ connections: { mail: changing.upstream.url }, pin: ['mail'] })
    await names(world)
    changing.tools = `[${tool('read', 'Reads mail')},${tool('pay', 'Pays')}]`
    expect(await names(world)).toEqual(['read'])
    expect(await call(world, 'pay')).toMatchObject({ error: { code: -32_602 } })
    expect(changing.calls).toEqual([])
    await world.toolPins.approveAll(world.connection('mail'))
    expect(await names(world)).toEqual(['read', 'pay'])
  })

  it.each([
    ['a name', '{"name":"read2","description":"d","inputSchema":{"type":"object"}}'],
    ['a title', '{"name":"read","title":"t","description":"d","inputSchema":{"type":"object"}}'],
    ['a schema', '{"name":"read","description":"d","inputSchema":{"type":"object","properties":{"a":{}}}}'],
    [
      'a large number',
      '{"name":"read","description":"d","inputSchema":{"type":"object","maximum":12345678901234567891}}',
    ],
    [
      'an output schema',
      '{"name":"read","description":"d","inputSchema":{"type":"object"},"outputSchema":{"type":"object"}}',
    ],
    [
      'annotations',
      '{"name":"read","description":"d","inputSchema":{"type":"object"},"annotations":{"readOnlyHint":true}}',
    ],
    ['icons', '{"name":"read","description":"d","inputSchema":{"type":"object"},"icons":[{"src":"data:,"}]}'],
    ['metadata', '{"name":"read","description":"d","inputSchema":{"type":"object"},"_meta":{"a":1}}'],
    ['a second description', '{"name":"read","description":"d","description":"d","inputSchema":{"type":"object"}}'],
    ['an invisible character', '{"name":"read","description":"d\u200b","inputSchema":{"type":"object"}}'],
  ])('T48: takes a definition with another %s for another one', async (what, changed) => {
    const maximum = what === 'a large number' ? ',"maximum":12345678901234567890' : ''
    const first = `{"name":"read","description":"d","inputSchema":{"type":"object"${maximum}}}`
    await using changing = await startChanging(`[${first}]`)
    await using world = await createWorld({ connections: { mail: changing.upstream.url }, pin: ['mail'] })
    expect(await names(world)).toEqual(['read'])
    changing.tools = `[${changed}]`
    expect(await names(world)).toEqual([])
  })

  it('T48: takes the same definition, written in another way, for the same', async () => {
    await using changing = await startChanging(
      '[{"name":"read","description":"caf\u00e9","inputSchema":{"type":"object","properties":{"a":{},"b":{}}}}]',
    )
    await using world = await createWorld({ connections: { mail: changing.upstream.url }, pin: ['mail'] })
    expect(await names(world)).toEqual(['read'])
    changing.tools =
      '[ {"inputSchema" : {"properties":{"b":{ },"a":{}},"type":"object"}, "description":"caf\\u00e9","name":"re\\u0061d"} ]'
    expect(await names(world)).toEqual(['read'])
  })

  it('T48: holds for every user, and for what another process has approved', async () => {
    await using changing = await startChanging(`[${tool('read', 'Reads mail')}]`)
    await using world = await createWorld({ connections: { mail: changing.upstream.url }, pin: ['mail'] })
    await names(world, 'ada')
    changing.tools = `[${tool('read', 'Reads mail'.toUpperCase())}]`
    expect(await names(world, 'bob')).toEqual([])
    expect(await names(world, 'ada')).toEqual([])
  })

  it('T48: asks for consent for a tool that was approved, and for no other', async () => {
    await using changing = await startChanging(`[${tool('read', 'Reads mail')}]`)
    await using world = await createWorld({ connections: { mail: changing.upstream.url }, pin: ['mail'] })
    await names(world)
    world.setStatus('ada', 'mail', 'EXPIRED')
    expect(await call(world, 'read')).toMatchObject({ result: { isError: true } })
    expect(await call(world, 'pay')).toMatchObject({ error: { code: -32_602 } })
  })

  it('T48: keeps no more than so many definitions of an upstream that makes up new ones', async () => {
    await using changing = await startChanging(`[${tool('read', 'Reads mail')}]`)
    await using world = await createWorld({ connections: { mail: changing.upstream.url }, pin: ['mail'] })
    await names(world)
    for (let round = 0; round < 3; round += 1) {
      const many = Array.from({ length: 300 }, (_, index) => tool(`t${round}_${index}`, 'x'))
      changing.tools = `[${many.join(',')}]`
      expect(await names(world)).toEqual([])
    }
    expect(await world.store.toolPins.count({ connectionId: 'conn_mail', state: 'quarantined' })).toBe(500)
  })

  it('T48: has a place for a definition that found the quarantine full, once another was approved', async () => {
    await using changing = await startChanging(`[${tool('read', 'Reads mail')}]`)
    await using world = await createWorld({ connections: { mail: changing.upstream.url }, pin: ['mail'] })
    await names(world)
    const many = Array.from({ length: 501 }, (_, index) => tool(`tool_${index}`, 'x'))
    changing.tools = `[${many.join(',')}]`
    const waiting = async () => {
      await names(world)
      return await world.toolPins.list({ connectionId: 'conn_mail', state: 'quarantined', limit: 1_000 })
    }
    const full = await waiting()
    expect(full.map((pin) => pin.tool)).not.toContain('tool_500')
    await world.toolPins.decide(world.connection('mail'), full.slice(0, 1), 'approved')
    expect((await waiting()).map((pin) => pin.tool)).toContain('tool_500')
  })

  it('T48: gives a place to what is new where the others were in quarantine before a restart', async () => {
    await using changing = await startChanging(`[${tool('read', 'Reads mail')}]`)
    await using world = await createWorld({ connections: { mail: changing.upstream.url }, pin: ['mail'] })
    const connection = world.connection('mail')
    const admit = (count: number) => {
      const changes = createChanges()
      const clock = () => world.clock.now
      const commit = createCommit({ store: world.store, publish: () => undefined, announce: changes.announce })
      const definitions = Array.from({ length: count }, (_, index) => listedTool(`t${index}`, tool(`t${index}`, 'x')))
      return createToolPins({ store: world.store, commit, changes, clock }).admit(connection, definitions)
    }
    await names(world)
    await admit(499)
    await admit(500)
    expect(await world.store.toolPins.count({ connectionId: connection.id, state: 'quarantined' })).toBe(500)
  })

  it('tells who listens that the list has changed when a tool was approved', async () => {
    await using changing = await startChanging(`[${tool('read', 'Reads mail')}]`)
    await using world = await createWorld({ connections: { mail: changing.upstream.url }, pin: ['mail'] })
    await names(world)
    changing.tools = '[]'
    const { body, headers } = modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true } })
    const stream = (await world.post(world.url('ada'), body, headers)).body!.pipeThrough(new TextDecoderStream())
    const reader = stream.getReader()
    expect((await reader.read()).value).toContain('acknowledged')
    const pin = theOne(await world.toolPins.list({ connectionId: 'conn_mail', limit: 1 }))
    await world.toolPins.decide(world.connection('mail'), [pin], 'quarantined')
    expect((await reader.read()).value).toContain('notifications/tools/list_changed')
    await reader.cancel()
  })
})

describe('createMcpEndpoint, for texts that only a model reads', () => {
  const poisoned = {
    control: 'Reads\u0007 mail',
    ansi: 'Reads\u001b[8m\u009b31m mail',
    bidi: 'Reads\u202e\u2066 mail\u200f',
    tag: 'Reads\u{e0041}\u{e0042} mail\ufe00\ufe01',
    invisible: 'Reads\u200b\u2060\ufeff mail\u200d\u200d',
  }

  it.each(Object.entries(poisoned))(
    'T49: lists a description without its %s characters, however deep',
    async (_flag, text) => {
      const written = JSON.stringify(text)
      const schema = `{"type":"object","properties":{"q":{"type":"string","description":${written},"pattern":${written}}}}`
      await using changing = await startChanging(
        `[{"name":"read","title":${written},"description":${written},"inputSchema":${schema}}]`,
      )
      await using world = await createWorld({ connections: { mail: changing.upstream.url } })
      const [read] = (await list(world))['tools']
      expect(read).toMatchObject({
        title: 'Reads mail',
        description: 'Reads mail',
        inputSchema: { properties: { q: { description: 'Reads mail', pattern: text } } },
      })
    },
  )

  it('T49: cuts a description of more than 4 KiB, with a mark', async () => {
    await using changing = await startChanging(`[${tool('read', 'x'.repeat(5000))},${tool('short', 'y'.repeat(4096))}]`)
    await using world = await createWorld({ connections: { mail: changing.upstream.url } })
    const [read, short] = (await list(world))['tools']
    expect(read.description).toBe(`${'x'.repeat(4096)}… [cut by the gateway]`)
    expect(short.description).toHaveLength(4096)
  })

  it('T49: says in its log that texts were changed', async () => {
    await using changing = await startChanging(`[${JSON.stringify({ name: 'read', description: poisoned.bidi })}]`)
    await using world = await createWorld({ connections: { mail: changing.upstream.url } })
    await list(world)
    expect(world.logLines.at(-1)).toMatchObject({ flagged: 1, flags: 'bidi' })
  })

  it.each([
    ['prompts', '[{"name":"p","description":"a\u202eb","arguments":[{"name":"x","description":"a\u202eb"}]}]'],
    ['resources', '[{"uri":"x://1","name":"a\u202eb","description":"a\u202eb"}]'],
  ])('T49: lists %s without them too', async (kind, items) => {
    await using changing = await startChanging(items, kind)
    await using world = await createWorld({ connections: { mail: changing.upstream.url } })
    const result = await list(world, 'ada', `${kind}/list`)
    expect(result[kind]).toHaveLength(1)
    expect(JSON.stringify(result)).not.toContain('\u202e')
  })

  it('T49: leaves joiners, emoji and other scripts as they are', async () => {
    const text = 'می\u200cخواهم 👩\u200d💻 ❤\ufe0f é 漢字\n\tشكرا'
    await using changing = await startChanging(`[${tool('read', JSON.stringify(text).slice(1, -1))}]`)
    await using world = await createWorld({ connections: { mail: changing.upstream.url } })
    expect((await list(world))['tools'][0].description).toBe(text)
  })

  it('T49: never alters a result', async () => {
    await using changing = await startChanging(`[${tool('read', 'Reads mail')}]`)
    await using world = await createWorld({ connections: { mail: changing.upstream.url } })
    expect((await call(world, 'read'))['result'].content[0].text).toBe('done \u202e\u001b[31m\u200b')
  })

  it('T49: keeps two upstreams apart that have a tool of the same name, whatever they call themselves', async () => {
    await using one = await startChanging(`[${tool('search', 'Searches one')}]`)
    await using two = await startChanging(`[${tool('search', 'Searches two')}]`)
    await using world = await createWorld({ connections: { one: one.upstream.url, two: two.upstream.url } })
    const tools = (await list(world))['tools'].map((each: Record<string, string>) => [
      each['name'],
      each['description'],
    ])
    expect(tools).toEqual([
      ['one__search', 'Searches one'],
      ['two__search', 'Searches two'],
    ])
    await call(world, 'two__search')
    expect([one.calls.length, two.calls.length]).toEqual([0, 1])
    const legacy = legacyRequest('tools/call', { name: 'search' })
    expect(await (await world.post(world.url('ada'), legacy.body, legacy.headers)).json()).toMatchObject({
      error: { code: -32_602 },
    })
  })
})

function theOne<T>([one]: readonly T[]): T {
  if (one === undefined) throw new Error('There is none')
  return one
}
