import { createLatchkey } from '@latchkey/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectLegacyRecorder, connectModernRecorder, type RecordingClient } from './crossing/recordingClients.ts'
import { startLegacyTalker, startModernTalker, type TalkingUpstream } from './crossing/talkingUpstreams.ts'
import type { Door } from './clients/agentClient.ts'
import { type ConformanceServer, startConformanceServer } from './fixtures/conformance/startConformanceServer.ts'
import { type RunningGateway, startGateway, startStack } from './fixtures/index.ts'

const LEGACY_HEADERS = {
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  'mcp-protocol-version': '2025-11-25',
}

/** Two clients of one user, who share what stands behind the endpoint, and one of another user. */
const USERS = ['ada', 'ada', 'grace'] as const
const RECORDERS = [
  ['2026-07-28', connectModernRecorder],
  ['2025-11-25', connectLegacyRecorder],
] as const

describe('clients that call at the same time', () => {
  let upstreams: Readonly<Record<'modern' | 'legacy', TalkingUpstream>>
  let gateway: RunningGateway
  beforeAll(async () => {
    upstreams = { modern: await startModernTalker(USERS.length), legacy: await startLegacyTalker(USERS.length) }
    gateway = await startGateway({
      connections: {
        modern: { mcpServerUrl: upstreams.modern.url, auth: { type: 'none' } },
        legacy: { mcpServerUrl: upstreams.legacy.url, auth: { type: 'none' } },
      },
      configs: { modern: { modern: '*' }, legacy: { legacy: '*' } },
    })
  })
  afterAll(async () => {
    await gateway.close()
    await upstreams.modern[Symbol.asyncDispose]()
    await upstreams.legacy[Symbol.asyncDispose]()
  })

  /** Each talks under a label of its own, side by side; gives what reached each. */
  async function talk(
    connect: Connect,
    config: string,
    args: { asks: boolean },
  ): Promise<readonly (readonly string[])[]> {
    await using clients = await connectAll(gateway, connect, config)
    await Promise.all(clients.all.map((client, index) => client.call('talk', { label: `label-${index}`, ...args })))
    return clients.all.map(({ received }) => received.toSorted())
  }

  describe.each(RECORDERS)('of %s', (_revision, connect) => {
    it.each(['modern', 'legacy'])(
      'receive the progress and the logs of their own call alone from a %s upstream',
      async (config) => {
        expect(await talk(connect, config, { asks: false })).toEqual(USERS.map((_, index) => said(`label-${index}`)))
      },
    )
  })

  it.each([
    ['2026-07-28', 'modern', connectModernRecorder],
    ['2025-11-25', 'modern', connectLegacyRecorder],
    ['2025-11-25', 'legacy', connectLegacyRecorder],
  ] as const)('of %s are asked what their own call asks, before a %s upstream', async (_revision, config, connect) => {
    expect(await talk(connect, config, { asks: true })).toEqual(
      USERS.map((_, index) => [...said(`label-${index}`, ` to client-${index}`), `ask label-${index}`].toSorted()),
    )
  })

  it.each(RECORDERS)('of %s hear nothing of a list that has changed for another user', async (_revision, connect) => {
    await using clients = await connectAll(gateway, connect, 'legacy')
    const [first, second, other] = clients.all
    await Promise.all([tellsUntil(first!), second!.nextChange()])
    expect(other!.received).toEqual([])
    const own = await tellsUntil(other!)
    expect(other!.received.filter((line) => line === 'changed').length).toBeLessThanOrEqual(own)
  })
})

/** All that a client receives of a call of its own. */
function said(label: string, ending = ''): string[] {
  return [`log ${label}`, `progress ${label}`, `[{"type":"text","text":"said ${label}${ending}"}]`].toSorted()
}

type Connect = (url: string, name: string) => Promise<RecordingClient>

async function connectAll({ url, clientId, clientSecret }: RunningGateway, connect: Connect, config: string) {
  await using latchkey = createLatchkey({ url, clientId, clientSecret, config })
  const all = await Promise.all(
    USERS.map(async (user, index) => await connect(await latchkey.mcpUrl(user), `client-${index}`)),
  )
  return {
    all,
    async [Symbol.asyncDispose]() {
      await Promise.all(all.map((client) => client[Symbol.asyncDispose]()))
    },
  }
}

/** Has the upstream tell a change until it is heard, and gives how often: nobody waits for the streams to be open. */
async function tellsUntil(client: RecordingClient): Promise<number> {
  const heard = new AbortController()
  const told = client.nextChange().then(() => heard.abort())
  let calls = 0
  for (; !heard.signal.aborted; calls += 1) await client.call('change')
  await told
  return calls
}

describe('a session of the 2025 era', () => {
  let upstream: ConformanceServer
  let gateway: RunningGateway
  beforeAll(async () => {
    upstream = await startConformanceServer({ era: 'legacy' })
    gateway = await startGateway({
      connections: { everything: { mcpServerUrl: upstream.url, auth: { type: 'none' } } },
      configs: { mine: { everything: '*' }, other: { everything: '*' } },
    })
  })
  afterAll(async () => {
    await gateway.close()
    await upstream.close()
  })

  async function doorsOf(user: string, config = 'mine'): Promise<{ url: Door; token: Door }> {
    const { url, clientId, clientSecret } = gateway
    await using latchkey = createLatchkey({ url, clientId, clientSecret, config })
    const endpoint = await latchkey.ready(user)
    return {
      url: { url: await latchkey.mcpUrl(user), headers: {} },
      token: { url: endpoint.url, headers: await endpoint.headers() },
    }
  }

  it('T14: is found by its own user and config alone, and a 404 names no other session', async () => {
    const [mine, foreign, elsewhere] = [await doorsOf('ada'), await doorsOf('bob'), await doorsOf('ada', 'other')]
    const session = await open(mine.url)
    expect((await list(mine.url, session)).status).toBe(200)
    expect((await list(mine.token, session)).status).toBe(200)
    const before = upstream.requests.count
    const made = await snapshot(list(foreign.url, 'none.bm9uZQ.bm9uZQ'))
    expect(made).toMatchObject({ status: 404 })
    for (const door of [foreign.url, foreign.token, elsewhere.url, elsewhere.token]) {
      expect(await snapshot(list(door, session))).toEqual(made)
      expect(await snapshot(list(door, session, 'GET'))).toEqual(made)
    }
    expect(made.body).not.toContain(session)
    expect(upstream.requests.count).toBe(before)
  })

  it('T14: lets nobody else answer what its client is asked', async () => {
    const [mine, foreign, elsewhere] = [await doorsOf('ada'), await doorsOf('bob'), await doorsOf('ada', 'other')]
    const session = await open(mine.url)
    const stolen = await open(foreign.url)
    const params = { name: 'test_elicitation', arguments: { message: 'Well?' } }
    const answer = await post(mine.url, { jsonrpc: '2.0', id: 1, method: 'tools/call', params }, session)
    const messages = messagesOf(answer)
    const asked = await messages.next('elicitation/create')
    const respond = async (door: Door, who: string, withSession?: string) => {
      const result = { action: 'accept', content: { response: who } }
      return (await post(door, { jsonrpc: '2.0', id: asked['id'], result }, withSession)).status
    }
    const before = upstream.requests.count
    expect(await respond(foreign.url, 'bob', stolen)).toBe(202)
    expect(await respond(foreign.token, 'bob')).toBe(202)
    expect(await respond(foreign.url, 'bob', session)).toBe(404)
    expect(await respond(elsewhere.url, 'elsewhere')).toBe(202)
    expect(upstream.requests.count).toBe(before)
    expect(await respond(mine.url, 'ada', session)).toBe(202)
    const { result } = await messages.next(undefined)
    expect(JSON.stringify(result)).toContain('ada')
    expect(JSON.stringify(result)).not.toMatch(/bob|elsewhere/)
  })
})

async function post({ url, headers }: Door, body: unknown, session?: string): Promise<Response> {
  const ours: Record<string, string> = session === undefined ? {} : { 'mcp-session-id': session }
  const all = { ...LEGACY_HEADERS, ...headers, ...ours }
  return await fetch(url, { method: 'POST', headers: all, body: JSON.stringify(body) })
}

async function open(door: Door): Promise<string> {
  const clientInfo = { name: 'test', version: '1.0.0' }
  const params = { protocolVersion: '2025-11-25', capabilities: { elicitation: {} }, clientInfo }
  const response = await post(door, { jsonrpc: '2.0', id: 1, method: 'initialize', params })
  await response.text()
  return response.headers.get('mcp-session-id') ?? ''
}

async function list(door: Door, session: string, method = 'POST'): Promise<Response> {
  if (method === 'POST') return await post(door, { jsonrpc: '2.0', id: 1, method: 'tools/list' }, session)
  const headers = { accept: 'text/event-stream', ...door.headers, 'mcp-session-id': session }
  return await fetch(door.url, { headers })
}

async function snapshot(answer: Promise<Response>): Promise<{ status: number; headers: unknown; body: string }> {
  const response = await answer
  const headers = Object.fromEntries([...response.headers].filter(([name]) => name !== 'date'))
  return { status: response.status, headers, body: await response.text() }
}

/** The messages of a stream, one by one. */
function messagesOf(response: Response) {
  const reader = response.body?.getReader()
  const decoder = new TextDecoder()
  let text = ''
  return {
    /** The next message of this method; of none for a response. */
    async next(method: string | undefined): Promise<Record<string, unknown>> {
      for (;;) {
        const [, data, rest] = /^data: (.+)\n([^]*)$/m.exec(text) ?? []
        if (data === undefined) {
          const { value, done = true } = (await reader?.read()) ?? {}
          if (done) throw new Error('the stream has ended')
          text += decoder.decode(value, { stream: true })
          continue
        }
        text = rest ?? ''
        const message: unknown = JSON.parse(data)
        if (typeof message === 'object' && message !== null && Object(message).method === method) return { ...message }
      }
    },
  }
}

describe('four sessions of one user', () => {
  it('T63: race for one refresh token that works once, and all of them go on', async () => {
    await using stack = await startStack({ configs: { reader: { mail: ['whoami'] } }, config: 'reader' })
    const { authorizationServer, latchkey } = stack
    await stack.connectAll('ada')
    const clients = await Promise.all(
      Array.from({ length: 4 }, async () => await connectLegacyRecorder(await latchkey.mcpUrl('ada'), 'ada')),
    )
    authorizationServer.revokeAccessTokens('ada')
    for (let round = 0; round < 3; round += 1) await Promise.all(clients.map((client) => client.call('whoami')))
    expect(authorizationServer.tokenCalls.refresh_token).toBe(1)
    expect(authorizationServer.revokedGrants).toBe(0)
    for (const { received } of clients) expect(received.filter((line) => line.includes('canary-mail'))).toHaveLength(3)
    await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()))
  })
})
