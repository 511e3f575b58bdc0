import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { legacyRequest } from './support/clients.ts'
import { jsonResponse, startScriptedUpstream } from './support/upstreams.ts'
import { createWorld, type World } from './support/world.ts'

const QUESTION = { method: 'elicitation/create', params: { mode: 'form', message: 'Which?', requestedSchema: {} } }

/** An upstream of 2026-07-28 that asks in the first round of a call, and answers the second one as the test says. */
function startAsking(second: (id: unknown) => Response) {
  return startScriptedUpstream('[]', (body) => {
    const { id, params } = JSON.parse(body)
    if (params.inputResponses !== undefined) return second(id)
    return jsonResponse({
      jsonrpc: '2.0',
      id,
      result: { resultType: 'input_required', inputRequests: { q: QUESTION } },
    })
  })
}

/** Calls a tool as a client of 2025-11-25 does that can be asked. */
async function callAskable(world: World, elicitation: object = { form: {} }) {
  const post = (method: string, params: Record<string, unknown>, session: Record<string, string> = {}) => {
    const { body, headers } = legacyRequest(method, params)
    return world.post(world.url('ada'), body, { ...headers, ...session })
  }
  const clientInfo = { name: 'x', version: '1' }
  const opened = await post('initialize', { protocolVersion: '2025-11-25', capabilities: { elicitation }, clientInfo })
  const session = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' }
  return { response: await post('tools/call', { name: 'one', arguments: {} }, session), session }
}

/** The same, with an answer to the question. Gives what comes then. */
async function callAndAnswer(world: World, elicitation?: object): Promise<Record<string, unknown>> {
  const { response, session } = await callAskable(world, elicitation)
  for await (const message of messagesIn(response)) {
    if (message['method'] !== 'elicitation/create') return message
    const answer = { jsonrpc: '2.0', id: message['id'], result: { action: 'accept', content: {} } }
    await world.post(world.url('ada'), answer, { 'mcp-protocol-version': '2025-11-25', ...session })
  }
  throw new Error('the call was not answered')
}

async function* messagesIn(response: Response): AsyncGenerator<Record<string, unknown>> {
  let rest = ''
  for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.startsWith('data: ')) yield JSON.parse(line.slice('data: '.length))
  }
}

describe('createMcpEndpoint, the second round of a call that a 2026 upstream answers with a question', () => {
  it.each([
    ['is down', () => new Response('down', { status: 503 }), 'answered with status 503.'],
    ['says in JSON that it is down', () => jsonResponse({ message: 'down' }, 503), 'answered with status 503.'],
    ['does not know the path', () => jsonResponse({}, 404), 'answered with status 404 and without an MCP message.'],
    ['says something else', () => jsonResponse({}), 'answered with something that is not an MCP message.'],
  ])('says what the upstream did that %s', async (_what, second, message) => {
    await using upstream = await startAsking(second)
    await using world = await createWorld({ connections: { mail: upstream.url } })
    expect(await callAndAnswer(world)).toMatchObject({
      error: { code: -32_010, message: `The connection "mail" ${message}`, data: { connection: 'mail' } },
    })
  })

  it('is sent once more with the renewed credential where the upstream refuses it', async () => {
    let refusals = 0
    await using upstream = await startAsking((id) =>
      refusals++ === 0
        ? new Response(null, { status: 401 })
        : jsonResponse({ jsonrpc: '2.0', id, result: { resultType: 'complete', content: [] } }),
    )
    await using world = await createWorld({ connections: { mail: upstream.url } })
    expect(await callAndAnswer(world)).toMatchObject({ result: { content: [] } })
    expect(world.refreshes).toHaveLength(1)
  })

  it.each([
    ['that can open URLs', { form: {}, url: {} }, { error: { code: -32_042 } }],
    [
      'that cannot open URLs',
      { form: {} },
      { result: { isError: true, _meta: { 'latchkey/unavailable': [{ reason: 'authorization_required' }] } } },
    ],
  ])(
    'asks a client %s for consent where the credential is refused and cannot be renewed',
    async (_what, kind, answer) => {
      await using upstream = await startAsking(() => new Response(null, { status: 401 }))
      await using world = await createWorld({ connections: { mail: upstream.url } })
      world.refreshable = false
      expect(await callAndAnswer(world, kind)).toMatchObject(answer)
      expect(world.logLines.at(-2)).toMatchObject({ outcome: 'authorization_required' })
    },
  )

  it('lets the next call find out anew which era the upstream speaks, where it answers as another era does', async () => {
    await using upstream = await startAsking(() => new Response(null, { status: 404 }))
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const probes = () => upstream.seen.filter(({ body }) => body.includes('server/discover')).length
    await callAndAnswer(world)
    const before = probes()
    await callAndAnswer(world)
    expect(probes()).toBeGreaterThan(before)
  })
})

/** Of a call whose client has got the question, and does not answer. */
async function askedReader(world: World) {
  const reader = (await callAskable(world)).response.body!.pipeThrough(new TextDecoderStream()).getReader()
  expect((await reader.read()).value).toContain('"elicitation/create"')
  return reader
}

async function readToEnd(reader: ReadableStreamDefaultReader<string>): Promise<string> {
  let text = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return text
    text += value
  }
}

describe('createMcpEndpoint, while a client is asked in the middle of a call', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
  afterEach(() => void vi.useRealTimers())

  it('gives a sign of life before a proxy takes the silence for the end', async () => {
    await using upstream = await startAsking(() => new Response(null, { status: 500 }))
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const reader = await askedReader(world)
    for (let time = 0; time < 3; time += 1) {
      const next = reader.read()
      await vi.advanceTimersByTimeAsync(25_000)
      expect((await next).value).toMatch(/^:/)
    }
    await reader.cancel()
  })

  it('ends the call when the client has not answered for ten minutes', async () => {
    await using upstream = await startAsking(() => new Response(null, { status: 500 }))
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const reader = await askedReader(world)
    const rest = readToEnd(reader)
    await vi.advanceTimersByTimeAsync(10 * 60_000)
    expect(await rest).toContain('the client did not give what the upstream asked for')
  })
})
