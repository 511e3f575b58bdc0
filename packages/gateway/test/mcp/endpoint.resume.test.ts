import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import {
  WebStandardStreamableHTTPServerTransport,
  type EventStore,
} from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import { describe, expect, it } from 'vitest'
import { connectLegacy, connectModern, legacyRequest, modernRequest } from './support/clients.ts'
import { startFaultProxy } from './support/faultProxy.ts'
import { listen } from './support/listen.ts'
import { jsonResponse, startRawUpstream } from './support/upstreams.ts'
import { createWorld } from './support/world.ts'

/** The SDK's example sorts events of one millisecond at random. */
function createEventStore(): EventStore {
  const events: { streamId: string; message: Parameters<EventStore['storeEvent']>[1] }[] = []
  return {
    async storeEvent(streamId, message) {
      events.push({ streamId, message })
      return String(events.length - 1)
    },
    async replayEventsAfter(lastEventId, { send }) {
      const streamId = events[Number(lastEventId)]?.streamId ?? ''
      for (const [index, event] of events.entries()) {
        if (index > Number(lastEventId) && event.streamId === streamId) await send(String(index), event.message)
      }
      return streamId
    },
  }
}

/** SDK v1 with an event store. Its tool tells three steps, and hangs up after the first two of them. */
async function startPolled() {
  const runs: string[] = []
  const requests: { method: string; lastEventId: string | null; authorization: string | null }[] = []
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>()

  function createServer(): McpServer {
    const server = new McpServer({ name: 'polled', version: '1.0.0' })
    server.registerTool('slow', {}, async (extra) => {
      runs.push('slow')
      const progressToken = extra['_meta']?.progressToken
      for (const progress of [1, 2, 3]) {
        if (progressToken !== undefined) {
          const params = { progressToken, progress, total: 3, message: `step ${progress}` }
          await extra.sendNotification({ method: 'notifications/progress', params })
        }
        if (progress < 3) extra.closeSSEStream?.()
      }
      return { content: [{ type: 'text', text: 'done' }] }
    })
    return server
  }

  const listener = await listen(async (request) => {
    const { method, headers } = request
    const id = headers.get('mcp-session-id')
    requests.push({
      method,
      lastEventId: headers.get('last-event-id'),
      authorization: headers.get('authorization'),
    })
    const known = id === null ? undefined : sessions.get(id)
    if (known !== undefined) return known.handleRequest(request)
    const transport: WebStandardStreamableHTTPServerTransport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      onsessioninitialized: (sessionId) => void sessions.set(sessionId, transport),
      eventStore: createEventStore(),
      retryInterval: 1,
    })
    await createServer().connect(transport)
    return transport.handleRequest(request)
  })
  return {
    url: `${listener.origin}/mcp`,
    runs,
    requests,
    /** The requests for the rest of a stream. */
    polls: () => requests.filter(({ lastEventId }) => lastEventId !== null),
    [Symbol.asyncDispose]: () => listener.close(),
  }
}

const CLIENTS = [
  ['2026-07-28', connectModern],
  ['2025-11-25', connectLegacy],
] as const

describe('createMcpEndpoint, with a 2025 upstream that ends its stream in the middle of a call', () => {
  it.each(CLIENTS)('T52: brings a client of %s everything once, and runs the tool once', async (_revision, connect) => {
    await using upstream = await startPolled()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const client = await connect(world.url('ada'))
    const steps: unknown[] = []
    const result = await client.callTool(
      { name: 'slow', arguments: {} },
      { onprogress: ({ message }) => void steps.push(message) },
    )
    await client.close()
    expect(result['content']).toEqual([{ type: 'text', text: 'done' }])
    expect(steps).toEqual(['step 1', 'step 2', 'step 3'])
    expect(upstream.runs).toEqual(['slow'])
    const mine = `Bearer upstream-${world.account('ada', 'mail').id}-1`
    expect(upstream.polls().length).toBeGreaterThan(0)
    for (const poll of upstream.polls()) expect(poll).toMatchObject({ method: 'GET', authorization: mine })
  })

  it('T52: runs the tool once, and loses and doubles nothing, wherever the network breaks the stream after its first event', async () => {
    await using upstream = await startPolled()
    await using proxy = await startFaultProxy(upstream.url)
    await using world = await createWorld({ connections: { mail: proxy.url } })
    const call = async () => {
      const params = { name: 'slow', arguments: {}, _meta: { progressToken: 'p' } }
      const { body, headers } = legacyRequest('tools/call', params)
      return await (await world.post(world.url('ada'), body, headers)).text()
    }
    await call()
    proxy.set(undefined)
    await call()
    const whole = proxy.passed().response
    const whole3 = { kind: 'answered', steps: ['step 1', 'step 2', 'step 3'] }
    let answered = 0
    for (let afterBytes = 0; afterBytes < whole; afterBytes += 41) {
      proxy.set({ direction: 'response', afterBytes, kind: 'reset', once: true })
      const before = upstream.runs.length
      const outcome = outcomeIn(await call())
      expect([whole3, { kind: 'failed' }]).toContainEqual(outcome)
      // The number says where, if this fails.
      expect({ afterBytes, runs: upstream.runs.length - before }).toEqual({ afterBytes, runs: 1 })
      if (outcome.kind === 'answered') answered += 1
    }
    // Before its first event there is nothing by which the rest could be asked for.
    expect(answered).toBeGreaterThan(whole / 41 / 2)
  })
})

function outcomeIn(text: string) {
  if (!text.includes('"done"')) return { kind: text.includes('"connection":"mail"') ? 'failed' : text }
  return { kind: 'answered', steps: [...text.matchAll(/step \d/g)].map(([step]) => step) }
}

const SSE = { 'content-type': 'text/event-stream' }
const STEP = (id: string, progress: number) =>
  `id: ${id}\ndata: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"step ${progress}"}}\n\n`

/** A 2025 upstream whose streams are written by the test. */
async function startWritten(first: string, rest: (lastEventId: string, time: number) => Response) {
  let callId: unknown
  let calls = 0
  let polls = 0
  const upstream = await startRawUpstream(({ id, method }) => {
    if (method === 'initialize') return jsonResponse({ jsonrpc: '2.0', id, result: { protocolVersion: '2025-11-25' } })
    if (method !== 'tools/call') return new Response(null, { status: id === undefined ? 202 : 400 })
    callId = id
    calls += 1
    return new Response(first, { headers: SSE })
  })
  upstream.intercept = (request) => {
    if (request.method !== 'GET') return undefined
    polls += 1
    return rest(request.headers.get('last-event-id') ?? '', polls)
  }
  return {
    url: upstream.url,
    seen: upstream.seen,
    counts: () => ({ calls, polls }),
    final: () => `id: final\ndata: {"jsonrpc":"2.0","id":${Number(callId)},"result":{"content":[]}}\n\n`,
    [Symbol.asyncDispose]: () => upstream[Symbol.asyncDispose](),
  }
}

async function callIn(url: string, signal?: AbortSignal): Promise<string> {
  await using world = await createWorld({ connections: { mail: url } })
  const { body, headers } = legacyRequest('tools/call', { name: 'one' })
  const all = { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers }
  return await (await fetch(world.url('ada'), { method: 'POST', body, headers: all, signal: signal ?? null })).text()
}

describe('createMcpEndpoint, reading the rest of a stream of a 2025 upstream', () => {
  it('leaves out what the upstream tells again', async () => {
    await using upstream = await startWritten(
      `retry: 1\n${STEP('a', 1)}${STEP('b', 2)}`,
      () => new Response(`${STEP('a', 1)}${STEP('b', 2)}${STEP('c', 3)}${upstream.final()}`, { headers: SSE }),
    )
    const text = await callIn(upstream.url)
    expect([...text.matchAll(/step \d/g)].map(([step]) => step)).toEqual(['step 1', 'step 2', 'step 3'])
    expect(text).toContain('"result":{"content":[]}')
  })

  it('goes on from the last event each time, also one without data', async () => {
    const asked: string[] = []
    await using upstream = await startWritten('retry: 1\nid: a\ndata:\n\n', (lastEventId, time) => {
      asked.push(lastEventId)
      return new Response(time < 8 ? `id: ${lastEventId}x\ndata:\n\n` : upstream.final(), { headers: SSE })
    })
    expect(await callIn(upstream.url)).toContain('"result":{"content":[]}')
    expect(asked).toEqual(Array.from({ length: 8 }, (_, index) => `a${'x'.repeat(index)}`))
    expect(upstream.counts().calls).toBe(1)
  })

  it('asks again where the upstream is busy, and gives up after five times', async () => {
    await using passing = await startWritten(`retry: 1\n${STEP('a', 1)}`, (_id, time) =>
      time < 3 ? new Response(null, { status: 409 }) : new Response(passing.final(), { headers: SSE }),
    )
    expect(await callIn(passing.url)).toContain('"result":{"content":[]}')
    await using staying = await startWritten(`retry: 1\n${STEP('a', 1)}`, () => new Response(null, { status: 503 }))
    expect(await callIn(staying.url)).toContain('ended its answer before it was complete')
    expect(staying.counts()).toEqual({ calls: 1, polls: 5 })
  })

  it.each([
    ['has no stream to go on with', 405],
    ['does not know the session any more', 404],
    ['does not know the event', 400],
  ])('ends the call when the upstream %s', async (_what, status) => {
    await using upstream = await startWritten(`retry: 1\n${STEP('a', 1)}`, () => new Response(null, { status }))
    expect(await callIn(upstream.url)).toContain('ended its answer before it was complete')
    expect(upstream.counts()).toEqual({ calls: 1, polls: 1 })
  })

  it.each([
    ['has no id', 'data: {}\n\n'],
    ['has an id that no header can hold', 'id: \u{1F600}\ndata: {}\n\n'],
    ['has an id that is too long', `id: ${'x'.repeat(2_000)}\ndata: {}\n\n`],
    ['takes its id back', 'id: a\ndata: {}\n\nid\ndata: {}\n\n'],
    ['is not whole', 'id: a\ndata: {}\n'],
    ['wants more time than a call has', `retry: 3600000\n${STEP('a', 1)}`],
  ])('asks for nothing when the last event %s', async (_what, first) => {
    await using upstream = await startWritten(first, () => new Response(upstream.final(), { headers: SSE }))
    expect(await callIn(upstream.url)).toContain('ended its answer before it was complete')
    expect(upstream.counts()).toEqual({ calls: 1, polls: 0 })
  })

  it('asks for nothing more when the client goes meanwhile', async () => {
    const gone = new AbortController()
    const pause = 60_000
    await using upstream = await startWritten(`retry: ${pause}\n${STEP('a', 1)}`, () => new Response(null))
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const { body, headers } = modernRequest('tools/call', { name: 'one' })
    const response = await fetch(world.url('ada'), {
      method: 'POST',
      body: body.replace('"_meta":{', '"_meta":{"io.modelcontextprotocol/logLevel":"info",'),
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
      signal: gone.signal,
    })
    const reader = response.body!.getReader()
    await reader.read()
    gone.abort(new Error('the client leaves'))
    await expect
      .poll(() => upstream.seen.some((request) => request.body.includes('notifications/cancelled')))
      .toBe(true)
    expect(upstream.counts()).toEqual({ calls: 1, polls: 0 })
  })

  it('counts the whole answer towards its limit, in however many streams it comes', async () => {
    const much = `data: ${'x'.repeat(900 * 1024)}\n\n`
    await using upstream = await startWritten(
      `retry: 1\nid: 0\n${much}`,
      (_id, time) => new Response(`id: ${time}\n${much}`, { headers: SSE }),
    )
    expect(await callIn(upstream.url)).toContain('answered with more than 10485760 bytes')
    expect(upstream.counts().polls).toBe(11)
  })
})
