import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { Server as LegacyServer } from '@modelcontextprotocol/sdk/server/index.js'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import {
  CallToolRequestSchema,
  type LoggingLevel,
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
  SetLevelRequestSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { describe, expect, it } from 'vitest'
import { listedTool } from '../../src/upstream/listedTool.ts'
import { legacyRequest, modernRequest } from './support/clients.ts'
import { listen } from './support/listen.ts'
import { startRawUpstream } from './support/upstreams.ts'
import { createWorld, type World } from './support/world.ts'

const INFO = { name: 'test', version: '1.0.0' }
const [NEWS, MAIL] = ['x://news', 'x://mail'] as const

interface Telling extends AsyncDisposable {
  readonly url: string
  /** Whether somebody is told of changes of this resource now. */
  isWatched(uri: string): boolean
  update(uri: string): void
}

interface TellingOptions {
  readonly subscribe?: boolean
}

async function startModern({ subscribe = true }: TellingOptions = {}): Promise<Telling> {
  const watched: Set<string>[] = []
  const handler = createMcpHandler(
    () => new McpServer(INFO, { capabilities: { resources: { listChanged: true, ...(subscribe && { subscribe }) } } }),
    { legacy: 'reject' },
  )
  const listener = await listen(async (request) => {
    const { method, params } = await request.clone().json()
    if (method === 'subscriptions/listen') {
      const uris = new Set<string>(params.notifications.resourceSubscriptions)
      watched.push(uris)
      request.signal.addEventListener('abort', () => void watched.splice(watched.indexOf(uris), 1))
    }
    return await handler.fetch(request)
  })
  return {
    url: `${listener.origin}/mcp`,
    isWatched: (uri) => watched.some((uris) => uris.has(uri)),
    update: (uri) => handler.notify.resourceUpdated(uri),
    async [Symbol.asyncDispose]() {
      await handler.close()
      await listener.close()
    },
  }
}

/** SDK v1, with sessions; its tool `talk` says of how much it was told to log. */
async function startLegacy({ subscribe = true }: TellingOptions = {}) {
  const sessions = new Map<string, { transport: WebStandardStreamableHTTPServerTransport; close(): void }>()
  const told: { server: LegacyServer; uris: Set<string> }[] = []
  const asked: string[] = []
  let isRefusing = false
  let streams = 0
  const left = Promise.withResolvers<void>()
  let held = Promise.resolve()

  function createServer(): LegacyServer {
    const capabilities = { tools: {}, logging: {}, resources: { ...(subscribe && { subscribe }) } }
    const server = new LegacyServer(INFO, { capabilities })
    const uris = new Set<string>()
    told.push({ server, uris })
    if (subscribe) {
      server.setRequestHandler(SubscribeRequestSchema, ({ params: { uri } }) => {
        asked.push(`+${uri}`)
        if (uri === 'x://refused') throw new Error('there is no such resource')
        uris.add(uri)
        return {}
      })
      server.setRequestHandler(UnsubscribeRequestSchema, async ({ params: { uri } }) => {
        asked.push(`-${uri}`)
        uris.delete(uri)
        await held
        return {}
      })
    }
    let level: LoggingLevel | undefined
    server.setRequestHandler(SetLevelRequestSchema, ({ params }) => {
      level = params.level
      return {}
    })
    server.setRequestHandler(CallToolRequestSchema, async (_request, extra) => {
      const params = { level: level ?? ('error' as const), data: `as much as ${level ?? 'I like'}` }
      await extra.sendNotification({ method: 'notifications/message', params })
      return { content: [] }
    })
    return server
  }

  const listener = await listen(async (request) => {
    const id = request.headers.get('mcp-session-id')
    const known = id === null ? undefined : sessions.get(id)
    if (request.method === 'GET') {
      streams += 1
      request.signal.addEventListener('abort', () => left.resolve())
    }
    if (isRefusing) {
      isRefusing = false
      return new Response(null, { status: 401 })
    }
    if (known !== undefined) return known.transport.handleRequest(request)
    if (id !== null) return new Response(null, { status: 404 })
    const transport: WebStandardStreamableHTTPServerTransport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      onsessioninitialized: (sessionId) =>
        void sessions.set(sessionId, { transport, close: () => transport.closeStandaloneSSEStream() }),
    })
    await createServer().connect(transport)
    return transport.handleRequest(request)
  })
  return {
    url: `${listener.origin}/mcp`,
    asked,
    /** How often somebody asked for a stream; in a session that has one it is refused. */
    streams: () => streams,
    /** Settles when the first who had one has left. */
    left: left.promise,
    /** Unsubscribing is not answered until what this gives is called. */
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>()
      held = promise
      return resolve
    },
    /** The next request is refused for its credential. */
    refuse: () => void (isRefusing = true),
    /** Forgets every session and leaves their streams open. */
    forget: () => sessions.clear(),
    hangUp: () => sessions.forEach((session) => session.close()),
    isWatched: (uri: string) => told.some(({ uris }) => uris.has(uri)),
    update(uri: string) {
      const open = told.filter(({ server }) => server.transport !== undefined)
      for (const { server, uris } of open) if (uris.has(uri)) void server.sendResourceUpdated({ uri })
    },
    [Symbol.asyncDispose]: () => listener.close(),
  } satisfies Telling & Record<string, unknown>
}

interface Subscriber extends AsyncDisposable {
  /** The resources of which this client was told. */
  readonly heard: string[]
  subscribe(uri: string, ...more: string[]): Promise<unknown>
  unsubscribe(uri: string): Promise<unknown>
}

async function connectModern(world: World): Promise<Subscriber> {
  const client = new Client(INFO, { versionNegotiation: { mode: { pin: '2026-07-28' } } })
  const heard: string[] = []
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => void heard.push(params.uri))
  await client.connect(new StreamableHTTPClientTransport(new URL(world.url('ada'))))
  const open = new Map<string, Awaited<ReturnType<Client['listen']>>>()
  return {
    heard,
    async subscribe(uri, ...more) {
      const subscription = await client.listen({ resourceSubscriptions: [uri, ...more] })
      open.set(uri, subscription)
      return subscription.honoredFilter.resourceSubscriptions
    },
    unsubscribe: async (uri) => await open.get(uri)?.close(),
    [Symbol.asyncDispose]: () => client.close(),
  }
}

async function connectLegacy(world: World, capabilities = {}): Promise<Subscriber & { readonly client: LegacyClient }> {
  const client = new LegacyClient(INFO, { capabilities })
  const heard: string[] = []
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void heard.push(params.uri))
  await client.connect(new LegacyTransport(new URL(world.url('ada'))))
  return {
    client,
    heard,
    subscribe: (uri) => client.subscribeResource({ uri }),
    unsubscribe: (uri) => client.unsubscribeResource({ uri }),
    [Symbol.asyncDispose]: () => client.close(),
  }
}

/** Of a client of the 2025 era that can be asked, the sessions are others. */
const connectAsked = (world: World) => connectLegacy(world, { elicitation: { form: {} } })

describe.each([
  ['2026-07-28', startModern],
  ['2025-11-25', startLegacy],
] as const)('createMcpEndpoint, changes of a resource of an upstream of %s', (_upstream, start) => {
  it.each([
    ['2026-07-28', connectModern],
    ['2025-11-25', connectLegacy],
    ['2025-11-25, which can be asked', connectAsked],
  ] as const)('are told to a client of %s for as long as it wants to know', async (_client, connect) => {
    await using upstream = await start()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    await using one = await connect(world)
    await using other = await connect(world)
    await one.subscribe(NEWS)
    await other.subscribe(MAIL)
    await expect.poll(() => upstream.isWatched(NEWS) && upstream.isWatched(MAIL)).toBe(true)
    upstream.update(NEWS)
    await expect.poll(() => one.heard).toEqual([NEWS])
    await other.subscribe(NEWS)
    await one.unsubscribe(NEWS)
    await expect
      .poll(() => {
        upstream.update(NEWS)
        return other.heard
      })
      .toContain(NEWS)
    upstream.update(MAIL)
    await expect.poll(() => other.heard).toContain(MAIL)
    expect(one.heard).toEqual([NEWS])
  })
})

describe('createMcpEndpoint, subscriptions to resources', () => {
  it('are those of clients of both eras at the same time, towards one session', async () => {
    await using upstream = await startLegacy()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    await using modern = await connectModern(world)
    await using legacy = await connectLegacy(world)
    await modern.subscribe(NEWS)
    await legacy.subscribe(NEWS)
    await expect.poll(() => upstream.isWatched(NEWS)).toBe(true)
    await legacy.unsubscribe(NEWS)
    await legacy.subscribe(MAIL)
    await expect.poll(() => upstream.isWatched(MAIL)).toBe(true)
    upstream.update(NEWS)
    upstream.update(MAIL)
    await expect.poll(() => [modern.heard, legacy.heard]).toEqual([[NEWS], [MAIL]])
    await modern.unsubscribe(NEWS)
    await expect.poll(() => upstream.isWatched(NEWS)).toBe(false)
    expect(upstream.isWatched(MAIL)).toBe(true)
  })

  it.each([
    ['the stream of the upstream was broken', 'hangUp'],
    ['the upstream has lost the session, with the stream still open', 'forget'],
  ] as const)('are made anew when %s', async (_what, happens) => {
    await using upstream = await startLegacy()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    await using client = await connectModern(world)
    await client.subscribe(NEWS)
    await expect.poll(() => upstream.asked).toEqual([`+${NEWS}`])
    upstream[happens]()
    const { body, headers } = modernRequest('tools/call', { name: 'talk' })
    await world.post(world.url('ada'), body, headers)
    await expect.poll(() => upstream.asked, { timeout: 10_000 }).toEqual([`+${NEWS}`, `+${NEWS}`])
    upstream.update(NEWS)
    await expect.poll(() => client.heard).toEqual([NEWS])
  })

  it.each([
    ['the credential was renewed', ({ upstream }) => upstream.refuse()],
    ['the account became ACTIVE again', ({ world }) => world.setStatus('ada', 'mail', 'ACTIVE')],
    ['the upstream had forgotten it', ({ upstream }) => upstream.forget()],
  ] satisfies [string, (around: { upstream: Awaited<ReturnType<typeof startLegacy>>; world: World }) => void][])(
    'are heard of in the session in which they are made, also when %s',
    async (_what, renew) => {
      await using upstream = await startLegacy()
      await using world = await createWorld({ connections: { mail: upstream.url } })
      await using subscriber = await connectLegacy(world)
      await subscriber.subscribe(NEWS)
      await expect.poll(() => upstream.asked).toContain(`+${NEWS}`)
      renew({ upstream, world })
      await subscriber.client.callTool({ name: 'talk' })
      await subscriber.subscribe(MAIL)
      await expect
        .poll(
          () => {
            for (const uri of [NEWS, MAIL]) upstream.update(uri)
            return new Set(subscriber.heard)
          },
          { timeout: 10_000 },
        )
        .toEqual(new Set([NEWS, MAIL]))
    },
  )

  it('go on in the stream that there is when a tool of the connection was approved', async () => {
    await using upstream = await startLegacy()
    await using world = await createWorld({ connections: { mail: upstream.url }, pin: ['mail'] })
    await using client = await connectLegacy(world)
    await client.subscribe(NEWS)
    await expect.poll(() => upstream.asked).toEqual([`+${NEWS}`, `+${NEWS}`])
    await world.toolPins.admit(world.connection('mail'), [listedTool('talk', '{"name":"talk"}')])
    await client.subscribe(MAIL)
    await expect.poll(() => upstream.asked.filter((asked) => asked === `+${MAIL}`), { timeout: 5_000 }).toHaveLength(2)
    expect(upstream.streams()).toBe(1)
    upstream.update(NEWS)
    await expect.poll(() => client.heard).toEqual([NEWS])
  })

  it('are not given up one by one any more once nobody is left who listens', async () => {
    await using upstream = await startLegacy()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    await using client = await connectModern(world)
    await client.subscribe(NEWS, MAIL)
    await client.subscribe('x://other')
    await expect.poll(() => upstream.asked).toEqual([`+${NEWS}`, `+${MAIL}`, '+x://other'])
    const release = upstream.hold()
    await client.unsubscribe(NEWS)
    await expect.poll(() => upstream.asked).toContain(`-${NEWS}`)
    await client.unsubscribe('x://other')
    await upstream.left
    release()
    await client.subscribe('x://later')
    await expect.poll(() => upstream.asked, { timeout: 5_000 }).toContain('+x://later')
    expect(upstream.asked).not.toContain(`-${MAIL}`)
  })

  it.each([
    ['2026-07-28', startModern],
    ['2025-11-25', startLegacy],
  ] as const)('are refused, or not acknowledged, when the upstream of %s has none', async (_upstream, start) => {
    await using upstream = await start({ subscribe: false })
    await using world = await createWorld({ connections: { mail: upstream.url } })
    await using legacy = await connectLegacy(world)
    await expect(legacy.subscribe(NEWS)).rejects.toMatchObject({ code: -32_601 })
    await using modern = await connectModern(world)
    expect(await modern.subscribe(NEWS)).toBeUndefined()
  })

  it('are refused as an upstream of the 2025 era refuses them', async () => {
    await using upstream = await startLegacy()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    await using legacy = await connectLegacy(world)
    await expect(legacy.subscribe('x://refused')).rejects.toThrow('there is no such resource')
    await legacy.subscribe(NEWS)
    await legacy.subscribe(MAIL)
    await expect.poll(() => upstream.asked.filter((asked) => asked === `+${MAIL}`)).toHaveLength(2)
    expect(upstream.asked.filter((asked) => asked === '+x://refused')).toHaveLength(1)
  })

  it('are refused without a session, and where there are too many', async () => {
    await using upstream = await startModern()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const { body, headers } = legacyRequest('resources/subscribe', { uri: NEWS })
    expect(await (await world.post(world.url('ada'), body, headers)).json()).toMatchObject({ error: { code: -32_600 } })
    await using legacy = await connectLegacy(world)
    await expect(legacy.subscribe(`x://${'x'.repeat(64 * 1024)}`)).rejects.toMatchObject({ code: -32_602 })
    await expect(legacy.subscribe(NEWS)).resolves.toEqual({})
  })
})

describe('createMcpEndpoint, logging/setLevel', () => {
  it('changes what its own client hears from a 2025 upstream and what no other client of the account hears', async () => {
    await using upstream = await startLegacy()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const heard = async (level?: 'debug' | 'alert') => {
      const { client } = await connectLegacy(world)
      const data: unknown[] = []
      client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void data.push(params.data))
      if (level !== undefined) await client.setLoggingLevel(level)
      return async () => {
        await client.callTool({ name: 'talk' })
        return data.splice(0)
      }
    }
    const [plain, debug, alert] = [await heard(), await heard('debug'), await heard('alert')]
    for (let time = 0; time < 2; time += 1) {
      expect(await debug()).toEqual(['as much as debug'])
      expect(await plain()).toEqual(['as much as I like'])
      expect(await alert()).toEqual(['as much as alert'])
    }
  })

  it('holds also in a session that was made anew for a list', async () => {
    await using upstream = await startLegacy()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: INFO }
    let session: Record<string, string> = {}
    const ask = async (method: string, given: Record<string, unknown> = {}) => {
      const { body, headers } = legacyRequest(method, given)
      const response = await world.post(world.url('ada'), body, { ...headers, ...session })
      const id = response.headers.get('mcp-session-id')
      if (id !== null) session = { 'mcp-session-id': id }
      return await response.text()
    }
    await ask('initialize', params)
    await ask('logging/setLevel', { level: 'debug' })
    await ask('prompts/get', { name: 'none' })
    upstream.forget()
    await ask('resources/list')
    expect(await ask('tools/call', { name: 'talk' })).toContain('as much as debug')
  })

  it('takes the stream of its client along', async () => {
    await using upstream = await startLegacy()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    await using subscriber = await connectLegacy(world)
    await subscriber.subscribe(NEWS)
    await subscriber.client.setLoggingLevel('info')
    await subscriber.subscribe(MAIL)
    await expect.poll(() => upstream.isWatched(NEWS) && upstream.isWatched(MAIL)).toBe(true)
    await expect
      .poll(() => {
        for (const uri of [NEWS, MAIL]) upstream.update(uri)
        return new Set(subscriber.heard)
      })
      .toEqual(new Set([NEWS, MAIL]))
  })

  it('is a matter of the request for a 2026 client, which hears of what the upstream says what it wants to hear', async () => {
    await using upstream = await startLegacy()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const client = new Client(INFO, { versionNegotiation: { mode: { pin: '2026-07-28' } } })
    const data: unknown[] = []
    client.setNotificationHandler('notifications/message', ({ params }) => void data.push(params.data))
    await client.connect(new StreamableHTTPClientTransport(new URL(world.url('ada'))))
    const heardAt = async (level?: string) => {
      const meta = level === undefined ? {} : { _meta: { 'io.modelcontextprotocol/logLevel': level } }
      await client.callTool({ name: 'talk', ...meta })
      return data.splice(0)
    }
    expect(await heardAt()).toEqual([])
    expect(await heardAt('debug')).toEqual(['as much as I like'])
    expect(await heardAt('error')).toEqual(['as much as I like'])
    expect(await heardAt('critical')).toEqual([])
    await client.close()
  })

  it.each([
    ['of a level that there is not', { level: 'loud' }, -32_602],
    ['without a session', { level: 'debug' }, -32_600],
  ])('is refused %s', async (_what, params, code) => {
    await using upstream = await startModern()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const { body, headers } = legacyRequest('logging/setLevel', params)
    expect(await (await world.post(world.url('ada'), body, headers)).json()).toMatchObject({ error: { code } })
  })
})

describe('createMcpEndpoint, a subscription of a client of 2026-07-28', () => {
  it('is acknowledged although an upstream that has no part in it does not answer', async () => {
    await using upstream = await startModern()
    const released = Promise.withResolvers<void>()
    await using hanging = await startRawUpstream(async () => {
      await released.promise
      return new Response(null, { status: 503 })
    })
    await using world = await createWorld({
      connections: { mail: upstream.url, hanging: hanging.url },
      listTimeoutMs: 600_000,
    })
    await using one = await connectModern(world)
    expect(await one.subscribe(`latchkey:mail:${NEWS}`)).toEqual([`latchkey:mail:${NEWS}`])
    released.resolve()
  })
})
