import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { AccountEvent, AccountStatus, ChangeKind, McpConfig } from '../../src/domain.ts'
import { createChanges } from '../../src/events/changes.ts'
import { createListeners } from '../../src/events/listeners.ts'
import type { Authentication, Principal } from '../../src/mcp/authenticate.ts'
import { createListening } from '../../src/mcp/listening.ts'
import { createSessionSettings } from '../../src/mcp/sessionSettings.ts'
import { createStandingCalls } from '../../src/mcp/standingCalls.ts'
import type { Accounts, AccountOfConnection, GuardedAnswer, GuardedFetch } from '../../src/services.ts'
import { NO_CAPABILITIES } from '../../src/upstream/clientCapabilities.ts'
import { createUpstreams } from '../../src/upstream/upstreams.ts'

const AT = new Date(0)
const [TOOLS, PROMPTS] = ['notifications/tools/list_changed', 'notifications/prompts/list_changed'] as const
const SESSION = { id: 'the session', capabilities: NO_CAPABILITIES }
const CONFIG: McpConfig = {
  id: 'cfg_1',
  name: 'agent',
  description: undefined,
  mappings: [{ connectionId: 'conn_mail', tools: undefined }],
  createdAt: AT,
  updatedAt: AT,
}

/** The network: one upstream of 2026-07-28, which says what the test says to whoever listens. */
function startTelling() {
  const listened = Promise.withResolvers<void>()
  const as: (string | undefined)[] = []
  const refused = Promise.withResolvers<void>()
  let isRefusing = false
  let stream: ReadableStreamDefaultController<Uint8Array> | undefined
  const send: GuardedFetch['send'] = async (_url, init) => {
    const { id, method } = JSON.parse(String(init?.body))
    if (method !== 'subscriptions/listen') {
      const result = { supportedVersions: ['2026-07-28'] }
      return answerWith('application/json', new Blob([JSON.stringify({ jsonrpc: '2.0', id, result })]).stream())
    }
    if (isRefusing) {
      refused.resolve()
      return { ...answerWith('application/json', new Blob(['{}']).stream()), status: 500, ok: false }
    }
    const body = new ReadableStream<Uint8Array>({ start: (controller) => void (stream = controller) })
    as.push(Object(init?.headers)['x-key'])
    listened.resolve()
    return answerWith('text/event-stream', body)
  }
  return {
    fetch: Object.assign(() => Promise.reject(new Error('not asked for')), { send }),
    listened: listened.promise,
    /** Has no stream to give, until it has. */
    refuse: (refuses: boolean) => void (isRefusing = refuses),
    refused: refused.promise,
    /** With what credential somebody has listened, each time. */
    as,
    /** Ends the stream. */
    hangUp: () => stream?.close(),
    tell: (method: string) =>
      stream?.enqueue(new TextEncoder().encode(`data: ${JSON.stringify({ jsonrpc: '2.0', method })}\n\n`)),
  }
}

function answerWith(type: string, body: ReadableStream<Uint8Array>): GuardedAnswer {
  return {
    status: 200,
    ok: true,
    headers: { 'content-type': type },
    text: async () => await new Response(body).text(),
    stream: () => body,
    discard: () => undefined,
  }
}

function principalOf(again?: () => Promise<Authentication>): Principal {
  const principal: Principal = {
    config: CONFIG,
    userIdentifier: 'ada',
    instanceId: undefined,
    tools: undefined,
    accountIds: undefined,
    expiresAt: undefined,
    asOf: { configId: CONFIG.id, epoch: 0 },
    since: 0,
    again: again ?? (() => Promise.resolve(principal)),
  }
  return principal
}

interface World extends AsyncDisposable {
  readonly upstream: ReturnType<typeof startTelling>
  open(again?: () => Promise<Authentication>): Promise<Response>
  /** Each read of the accounts waits for what this gives. */
  onRead(next: () => Promise<void>): void
  changeConfig(): void
  /** It leads to the same server, with another credential. */
  changeConnection(): void
  /** The account becomes ACTIVE. */
  activate(): void
  close(): void
}

/** Streams of one user, with an account whose reads the test holds up or lets fail. */
function createWorld({ status: first = 'ACTIVE' }: { readonly status?: AccountStatus } = {}): World {
  const upstream = startTelling()
  const changes = createChanges()
  const events = createListeners<AccountEvent>({ describe: ({ id }) => ({ id }) })
  let status = first
  let displayName = 'before'
  let sequence = 0
  let read: (() => Promise<void>) | undefined
  const upstreams = createUpstreams({
    fetch: upstream.fetch,
    credentials: {
      headersFor: async (connection, { generation }) => ({
        generation,
        headers: { 'x-key': `for ${connection.displayName}` },
      }),
      afterRefusal: () => Promise.reject(new Error('nothing is refused')),
    },
    clock: () => 0,
    clientInfo: { name: 'test', version: '1.0.0' },
  })

  const change = (kind: ChangeKind, subject: string): void =>
    changes.announce({ sequence: (sequence += 1), kind, subject, occurredAt: AT })

  async function ensureForConfig(): Promise<readonly AccountOfConnection[]> {
    await read?.()
    const ids = { id: 'ca_1', connectionId: 'conn_mail', userIdentifier: 'ada' }
    return [
      {
        connection: {
          id: 'conn_mail',
          name: 'mail',
          displayName,
          provider: 'mail',
          mcpServerUrl: 'https://mail.example/mcp',
          auth: { type: 'none' },
        },
        account: { ...ids, status, generation: 1, createdAt: AT, updatedAt: AT },
      },
    ]
  }

  const listening = createListening({
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing else is asked of it
    accounts: { ensureForConfig } as Pick<Accounts, 'ensureForConfig'> as Accounts,
    events,
    changes,
    upstreams,
    settings: createSessionSettings(),
    standing: createStandingCalls({ events, changes }),
    clock: () => 0,
  })

  return {
    upstream,
    open: (again?: () => Promise<Authentication>) => listening.open(principalOf(again), SESSION),
    onRead: (next: () => Promise<void>) => void (read = next),
    changeConfig: () => change('config', CONFIG.id),
    changeConnection() {
      displayName = 'after'
      change('connection', 'conn_mail')
    },
    activate() {
      status = 'ACTIVE'
      const ids = { id: 'evt_1', accountId: 'ca_1', userIdentifier: 'ada', connectionId: 'conn_mail' }
      events.tell({ ...ids, sequence: (sequence += 1), status, oldStatus: 'EXPIRED', occurredAt: AT })
    },
    close: () => listening.close(),
    async [Symbol.asyncDispose]() {
      listening.close()
      await upstreams.close()
    },
  }
}

/** Holds up the reads of the accounts from now on. */
function holdRead(world: World) {
  const [asked, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  world.onRead(async () => {
    asked.resolve()
    await released.promise
  })
  return { asked: asked.promise, release: () => released.resolve() }
}

/** Gives the method of the next notification. */
function hear({ body }: Response): () => Promise<string> {
  const reader = body!.pipeThrough(new TextDecoderStream()).getReader()
  const methods: string[] = []
  return async () => {
    while (methods.length === 0) {
      const { value = '', done } = await reader.read()
      if (done) throw new Error('the stream has ended')
      for (const [, method = ''] of value.matchAll(/"method":"([^"]+)"/g)) methods.push(method)
    }
    return methods.shift() ?? ''
  }
}

describe('createListening, a stream that is opened beside another one of its session', () => {
  it('leaves what there is to tell to the other one until it hears it itself', async () => {
    await using world = createWorld()
    const older = hear(await world.open())
    await world.upstream.listened
    const { asked, release } = holdRead(world)
    const opening = world.open()
    await asked
    world.upstream.tell(TOOLS)
    expect(await older()).toBe(TOOLS)
    release()
    const newer = hear(await opening)
    world.upstream.tell(PROMPTS)
    expect(await newer()).toBe(PROMPTS)
  })

  it('leaves everything to the other one where it hears nothing', async () => {
    await using world = createWorld()
    const older = hear(await world.open())
    await world.upstream.listened
    await world.open(() => Promise.resolve('unknown_url'))
    world.upstream.tell(TOOLS)
    expect(await older()).toBe(TOOLS)
  })
})

describe('createListening, a stream that is opened', () => {
  it('tells of what has changed while it was being opened', async () => {
    await using world = createWorld()
    const { asked, release } = holdRead(world)
    const opening = world.open()
    await asked
    world.changeConfig()
    release()
    expect(await hear(await opening)()).toBe(TOOLS)
  })
})

describe('createListening, a connection that is changed and leads to the same server', () => {
  it('is listened to again where it had no stream to give before', async () => {
    await using world = createWorld()
    world.upstream.refuse(true)
    await world.open()
    await world.upstream.refused
    world.upstream.refuse(false)
    await expect
      .poll(() => {
        world.changeConnection()
        return world.upstream.as
      })
      .toEqual(['for after'])
  })

  it('is listened to as it is by then when the stream breaks', async () => {
    await using world = createWorld()
    const next = hear(await world.open())
    await world.upstream.listened
    const looked = Promise.withResolvers<void>()
    world.onRead(async () => looked.resolve())
    world.changeConnection()
    expect(await next()).toBe(TOOLS)
    await looked.promise
    world.upstream.hangUp()
    await expect.poll(() => world.upstream.as, { timeout: 5_000 }).toEqual(['for before', 'for after'])
  })
})

/** The next read fails; those after it are only counted. */
function failOnce(world: World): { readonly failed: Promise<void>; reads: number } {
  const failed = Promise.withResolvers<void>()
  const counted = { failed: failed.promise, reads: 0 }
  world.onRead(async () => {
    counted.reads += 1
    if (counted.reads > 1) return
    failed.resolve()
    throw new Error('the store does not answer')
  })
  return counted
}

describe('createListening, where the store fails after a change', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
  afterEach(() => void vi.useRealTimers())

  it('looks again after a second', async () => {
    await using world = createWorld({ status: 'EXPIRED' })
    await world.open()
    const { failed } = failOnce(world)
    world.activate()
    await failed
    await vi.advanceTimersByTimeAsync(1_000)
    await expect(world.upstream.listened).resolves.toBeUndefined()
  })

  it('does not look again once the stream has ended', async () => {
    await using world = createWorld({ status: 'EXPIRED' })
    await world.open()
    const store = failOnce(world)
    world.activate()
    await store.failed
    await vi.advanceTimersByTimeAsync(500)
    world.close()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(store.reads).toBe(1)
  })
})
