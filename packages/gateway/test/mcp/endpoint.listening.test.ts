import { decodeJwt } from 'jose'
import { describe, expect, it } from 'vitest'
import { legacyRequest, modernRequest } from './support/clients.ts'
import { jsonResponse, startRawUpstream, type TestUpstream } from './support/upstreams.ts'
import { createWorld, type World } from './support/world.ts'

const CHANGED = 'notifications/tools/list_changed'
const SSE = { 'content-type': 'text/event-stream' }

/** What one client hears. */
interface Heard extends AsyncDisposable {
  /** The method of each notification so far. */
  readonly methods: string[]
  /** Settles when the next notification has come. */
  next(): Promise<string>
  /** Settles when the stream has ended. */
  readonly ended: Promise<void>
}

/** By the user's URL, or with a session token. */
type Listen = (world: World, user: string, token?: string) => Promise<Heard>

function doorOf(
  world: World,
  user: string,
  token: string | undefined,
): { url: string; authorization: Record<string, string> } {
  if (token === undefined) return { url: world.url(user), authorization: {} }
  return { url: world.staticUrl(), authorization: { authorization: `Bearer ${token}` } }
}

const modern: Listen = async (world, user, token) => {
  const { url, authorization } = doorOf(world, user, token)
  const notifications = { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true }
  const { body, headers } = modernRequest('subscriptions/listen', { notifications })
  const heard = hear(await world.post(url, body, { ...headers, ...authorization }))
  expect(await heard.next()).toBe('notifications/subscriptions/acknowledged')
  return heard
}

const legacy: Listen = async (world, user, token) => await (await openSession(world, user, token)).listen()

async function openSession(world: World, user: string, token?: string) {
  const { url, authorization } = doorOf(world, user, token)
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } }
  const { body, headers } = legacyRequest('initialize', params)
  const opened = await world.post(url, body, { ...headers, ...authorization })
  const session = opened.headers.get('mcp-session-id') ?? ''
  return {
    async listen(): Promise<Heard> {
      const response = await fetch(url, {
        headers: {
          accept: 'text/event-stream',
          'mcp-session-id': session,
          'mcp-protocol-version': '2025-11-25',
          ...authorization,
        },
      })
      expect(response.status).toBe(200)
      return hear(response)
    },
  }
}

function hear(response: Response): Heard {
  const methods: string[] = []
  const ended = Promise.withResolvers<void>()
  let taken = 0
  let wake: (() => void) | undefined
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  const read = async (): Promise<void> => {
    let rest = ''
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      const lines = (rest + value).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const method = line.startsWith('data: ') ? JSON.parse(line.slice('data: '.length)).method : undefined
        if (typeof method === 'string') methods.push(method)
      }
      wake?.()
    }
  }
  void read().then(ended.resolve, ended.resolve)
  return {
    methods,
    ended: ended.promise,
    async next() {
      while (methods.length <= taken) await new Promise<void>((resolve) => (wake = resolve))
      taken += 1
      return methods[taken - 1] ?? ''
    },
    [Symbol.asyncDispose]: () => reader.cancel().catch(() => undefined),
  }
}

/** An upstream of 2026-07-28 that tells every listener with this credential what the test says. */
async function startTelling(list: () => Promise<object> = async () => ({ tools: [] })) {
  const listeners = new Map<string, (text: string) => void>()
  const waiting = new Map<string, () => void>()
  const closed = Promise.withResolvers<void>()
  const upstream: TestUpstream = await startRawUpstream(async (message, request) => {
    const { id, method } = message
    if (method === 'server/discover') {
      return jsonResponse({ jsonrpc: '2.0', id, result: { supportedVersions: ['2026-07-28'] } })
    }
    if (method !== 'subscriptions/listen') return jsonResponse({ jsonrpc: '2.0', id, result: await list() })
    const credential = request.headers.get('authorization') ?? ''
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        listeners.set(credential, (text) => controller.enqueue(new TextEncoder().encode(`data: ${text}\n\n`)))
        waiting.get(credential)?.()
      },
      cancel: () => closed.resolve(),
    })
    return new Response(stream, { headers: SSE })
  })
  /** Waits until the gateway listens for this account. */
  async function tell(accountId: string, method: string): Promise<void> {
    const credential = `Bearer upstream-${accountId}-1`
    if (!listeners.has(credential)) await new Promise<void>((resolve) => waiting.set(credential, resolve))
    listeners.get(credential)?.(JSON.stringify({ jsonrpc: '2.0', method }))
  }
  return { upstream, tell, closed: closed.promise, [Symbol.asyncDispose]: () => upstream[Symbol.asyncDispose]() }
}

const listOf = (name: string) => ({ tools: [{ name, inputSchema: {} }] })

describe.each([
  ['2026-07-28', modern],
  ['2025-11-25', legacy],
] as const)('createMcpEndpoint, for a client of %s that listens', (_revision, listen) => {
  it('says that the lists have changed when an account becomes ACTIVE, and when it ceases to be', async () => {
    await using telling = await startTelling()
    await using world = await createWorld({ connections: { mail: telling.upstream.url } })
    await using heard = await listen(world, 'ada')
    world.setStatus('ada', 'mail', 'EXPIRED')
    expect([await heard.next(), await heard.next(), await heard.next()].toSorted()).toEqual([
      'notifications/prompts/list_changed',
      'notifications/resources/list_changed',
      CHANGED,
    ])
    world.setStatus('ada', 'mail', 'ACTIVE')
    expect(await heard.next()).toBe(CHANGED)
  })

  it('says so when the upstream says so, to its user and to nobody else', async () => {
    await using telling = await startTelling()
    await using world = await createWorld({ connections: { mail: telling.upstream.url } })
    await using ada = await listen(world, 'ada')
    await using bob = await listen(world, 'bob')
    await telling.tell(world.account('ada', 'mail').id, CHANGED)
    expect(await ada.next()).toBe(CHANGED)
    world.setStatus('bob', 'mail', 'EXPIRED')
    // The first that B hears is its own.
    await bob.next()
    expect(ada.methods.filter((method) => method === CHANGED)).toHaveLength(1)
    await telling.tell(world.account('ada', 'mail').id, 'notifications/prompts/list_changed')
    expect(await ada.next()).toBe('notifications/prompts/list_changed')
    expect(bob.methods.filter((method) => method === CHANGED)).toHaveLength(1)
  })

  it('gives a list that was being read when it changed to nobody who asks after that', async () => {
    const asked = Promise.withResolvers<void>()
    const released = Promise.withResolvers<void>()
    let lists = 0
    await using telling = await startTelling(async () => {
      lists += 1
      if (lists > 1) return listOf('new')
      asked.resolve()
      await released.promise
      return listOf('old')
    })
    await using world = await createWorld({ connections: { mail: telling.upstream.url } })
    const namesOf = async () => {
      const { body, headers } = modernRequest('tools/list')
      const { result } = await (await world.post(world.url('ada'), body, headers)).json()
      return result.tools.map(({ name }: { name: string }) => name)
    }
    await using ada = await listen(world, 'ada')
    const before = namesOf()
    await asked.promise
    await telling.tell(world.account('ada', 'mail').id, CHANGED)
    expect(await ada.next()).toBe(CHANGED)
    expect(await namesOf()).toEqual(['new'])
    released.resolve()
    expect(await before).toEqual(['old'])
    expect(await namesOf()).toEqual(['new'])
  })

  it('says nothing of the accounts of other users', async () => {
    await using telling = await startTelling()
    await using world = await createWorld({ connections: { mail: telling.upstream.url } })
    await using ada = await listen(world, 'ada')
    world.setStatus('bob', 'mail', 'EXPIRED')
    world.setStatus('ada', 'mail', 'EXPIRED')
    await ada.next()
    expect(ada.methods.filter((method) => method === CHANGED)).toHaveLength(1)
  })

  it('says so when the config has changed', async () => {
    await using telling = await startTelling()
    await using world = await createWorld({ connections: { mail: telling.upstream.url } })
    await using ada = await listen(world, 'ada')
    world.changeConfig()
    expect(await ada.next()).toBe(CHANGED)
  })

  it.each([
    ['the user is revoked', (world: World) => world.revoke('ada')],
    ['the URL is rotated', (world: World) => world.rotateUrl('ada')],
    ['the config is deleted', (world: World) => world.deleteConfig()],
  ])('ends the stream when %s', async (_when, end) => {
    await using telling = await startTelling()
    await using world = await createWorld({ connections: { mail: telling.upstream.url } })
    await using ada = await listen(world, 'ada')
    end(world)
    expect(await ada.ended).toBeUndefined()
  })

  it('ends the stream with the session token that opened it, and not before', async () => {
    await using telling = await startTelling()
    await using world = await createWorld({ connections: { mail: telling.upstream.url } })
    const token = await world.token('ada')
    await using early = await listen(world, 'ada', token)
    const { exp = 0 } = decodeJwt(token)
    world.clock.now = exp * 1000 - 50
    await using late = await listen(world, 'ada', token)
    expect(await late.ended).toBeUndefined()
    world.setStatus('ada', 'mail', 'EXPIRED')
    // Its hour has not passed by the real clock.
    expect(await early.next()).toBe(CHANGED)
  })

  it('listens at the upstream no more when the account is not ACTIVE any more', async () => {
    await using telling = await startTelling()
    await using world = await createWorld({ connections: { mail: telling.upstream.url } })
    await using ada = await listen(world, 'ada')
    const { id } = world.account('ada', 'mail')
    await telling.tell(id, CHANGED)
    expect(await ada.next()).toBe(CHANGED)
    world.setStatus('ada', 'mail', 'DISCONNECTED')
    expect(await telling.closed).toBeUndefined()
  })
})

const answering = (kind: string) =>
  startRawUpstream(({ id, method }) => {
    if (method === 'server/discover') {
      return jsonResponse({ jsonrpc: '2.0', id, result: { supportedVersions: ['2026-07-28'] } })
    }
    const item = { uri: 'x://1', uriTemplate: 'x://{id}', name: 'one', inputSchema: {} }
    return jsonResponse({ jsonrpc: '2.0', id, result: { [kind]: [item] } })
  })

const KINDS = [
  ['tools', 'tools/list'],
  ['prompts', 'prompts/list'],
  ['resources', 'resources/list'],
  ['resourceTemplates', 'resources/templates/list'],
] as const

describe.each([
  ['2026-07-28', modernRequest],
  ['2025-11-25', legacyRequest],
] as const)('createMcpEndpoint, lists of several upstreams for a client of %s', (_revision, request) => {
  async function list(world: World, method: string) {
    const { body, headers } = request(method)
    return (await (await world.post(world.url('ada'), body, headers)).json()).result
  }

  it.each(KINDS)('names the upstreams whose %s are missing, and lists what the others have', async (kind, method) => {
    await using good = await answering(kind)
    await using dead = await startRawUpstream(() => new Response('', { status: 503 }))
    await using lying = await startRawUpstream(({ id, method: asked }) =>
      jsonResponse({
        jsonrpc: '2.0',
        id,
        result: asked === 'server/discover' ? { supportedVersions: ['2026-07-28'] } : { [kind]: 'all of them' },
      }),
    )
    const connections = { good: good.url, dead: dead.url, lying: lying.url, away: good.url }
    await using world = await createWorld({ connections })
    world.setStatus('ada', 'away', 'EXPIRED')
    const result = await list(world, method)
    expect(result[kind]).toHaveLength(1)
    expect(result['_meta']['latchkey/unavailable']).toEqual([
      { connection: 'dead', reason: 'unreachable' },
      { connection: 'lying', reason: 'invalid_response' },
      { connection: 'away', reason: 'authorization_required' },
    ])
  })

  it.each(KINDS)('says why there are no %s when the only upstream is not authorized', async (kind, method) => {
    await using only = await answering(kind)
    await using world = await createWorld({ connections: { only: only.url } })
    world.setStatus('ada', 'only', 'EXPIRED')
    const result = await list(world, method)
    expect(result[kind]).toEqual([])
    expect(result['_meta']['latchkey/unavailable']).toEqual([{ connection: 'only', reason: 'authorization_required' }])
  })
})

describe('createMcpEndpoint, for a client of 2025-11-25 that listens twice in one session', () => {
  it('tells each thing on the newest stream alone, and on the other one again when that has ended', async () => {
    await using telling = await startTelling()
    await using world = await createWorld({ connections: { mail: telling.upstream.url } })
    const session = await openSession(world, 'ada')
    await using older = await session.listen()
    const newer = await session.listen()
    await using other = await legacy(world, 'ada')
    const account = world.account('ada', 'mail').id
    await telling.tell(account, CHANGED)
    expect([await newer.next(), await other.next()]).toEqual([CHANGED, CHANGED])
    await newer[Symbol.asyncDispose]()
    // The gateway hears of that end when it does.
    const prompts = 'notifications/prompts/list_changed'
    await expect
      .poll(async () => {
        await telling.tell(account, prompts)
        return older.methods
      })
      .toContain(prompts)
    expect(older.methods).not.toContain(CHANGED)
  })
})

describe('createMcpEndpoint, lists of several upstreams', () => {
  it('asks twenty upstreams at the same time', async () => {
    const all = Promise.withResolvers<void>()
    let asked = 0
    await using upstream = await startRawUpstream(async ({ id, method }) => {
      if (method === 'server/discover') {
        return jsonResponse({ jsonrpc: '2.0', id, result: { supportedVersions: ['2026-07-28'] } })
      }
      asked += 1
      if (asked === 20) all.resolve()
      // None answers before all were asked.
      await all.promise
      return jsonResponse({ jsonrpc: '2.0', id, result: { tools: [{ name: 'one', inputSchema: {} }] } })
    })
    const names = Array.from({ length: 20 }, (_, index) => `c${index}`)
    await using world = await createWorld({
      connections: Object.fromEntries(names.map((name) => [name, upstream.url])),
    })
    const { body, headers } = modernRequest('tools/list')
    const { result } = await (await world.post(world.url('ada'), body, headers)).json()
    expect(result.tools.map(({ name }: { name: string }) => name)).toEqual(names.map((name) => `${name}__one`))
  })
})
