import { request as httpRequest } from 'node:http'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { legacyRequest, modernRequest } from './support/clients.ts'
import { startRawUpstream, type TestUpstream } from './support/upstreams.ts'
import { createWorld, type World } from './support/world.ts'

const METHODS = [
  'initialize',
  'ping',
  'server/discover',
  'subscriptions/listen',
  'tools/list',
  'tools/call',
  'prompts/list',
  'prompts/get',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'resources/subscribe',
  'completion/complete',
  'logging/setLevel',
  'notifications/cancelled',
  '__proto__',
  '',
]
const STATUSES = new Set([200, 202, 400, 404, 405, 406, 413, 415, 429])
/** Nothing of what goes on inside: no stack, no path, no credential of an upstream. */
const INSIDE = /\n\s+at |node_modules|\.ts:\d|Bearer upstream-|internal error/i

const odd = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom<unknown>('', -1, 1e21, 'a'.repeat(300), 'asked_', 'ZnJvbS0w', 'from-1', [[]], { toString: 1 }),
)
const params = fc.oneof(
  odd,
  fc.record(
    {
      name: fc.oneof(fc.constantFrom('one', 'mail__one', 'constructor'), odd),
      uri: odd,
      cursor: odd,
      arguments: odd,
      ref: fc.oneof(odd, fc.record({ type: fc.constantFrom('ref/prompt', 'ref/resource'), name: odd, uri: odd })),
      requestState: odd,
      inputResponses: odd,
      notifications: fc.oneof(odd, fc.record({ toolsListChanged: odd, resourceSubscriptions: odd })),
      protocolVersion: odd,
      capabilities: odd,
      _meta: fc.oneof(odd, fc.constant(metaOf())),
    },
    { requiredKeys: [] },
  ),
)
const message = fc.record(
  {
    jsonrpc: fc.constantFrom<unknown>('2.0', '2.0', '2.0', '1.0', 2),
    id: fc.oneof(fc.integer(), fc.string(), odd),
    method: fc.oneof(fc.constantFrom(...METHODS), fc.constantFrom(...METHODS), odd),
    params,
    result: odd,
    error: odd,
  },
  { requiredKeys: ['jsonrpc'] },
)
const headers = fc.record(
  {
    'mcp-protocol-version': fc.constantFrom('2026-07-28', '2025-11-25', '2025-06-18', '9999-99-99', 'x'),
    'mcp-method': fc.constantFrom(...METHODS.filter((method) => method !== '')),
    'mcp-name': fc.constantFrom('one', '=?base64?b25l?=', '=?base64?!!?=', 'x'.repeat(500)),
    'mcp-session-id': fc.constantFrom('x', 'a.b.c', '..', 'f.n.s.t'),
    'content-type': fc.constantFrom('application/json', 'application/json; charset=utf-16', 'text/plain', 'x'),
    'content-encoding': fc.constantFrom('gzip', 'identity'),
    accept: fc.constantFrom('*/*', 'text/event-stream', ''),
  },
  { requiredKeys: [] },
)
const bytes = fc.oneof(
  message.map((value) => Buffer.from(JSON.stringify(value))),
  message.map((value) => Buffer.from(JSON.stringify(value)).subarray(0, -1)),
  message.map((value) => Buffer.from(JSON.stringify([value, value]))),
  message.map((value) => Buffer.from(JSON.stringify(value), 'utf16le')),
  message.map((value) => Buffer.concat([Buffer.from(JSON.stringify(value)), Buffer.from([0xff, 0xfe])])),
  fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)),
)

function metaOf(): unknown {
  return JSON.parse(modernRequest('ping').body).params['_meta']
}

/** Reads one answer, or of a stream without an end its beginning. */
function send(
  url: string,
  body: Buffer,
  given: Record<string, string>,
): Promise<{ status: number; type: string; text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; type: string; text: string }>()
  const request = httpRequest(
    url,
    { method: 'POST', headers: { 'content-type': 'application/json', accept: '*/*', ...given } },
    (response) => {
      let text = ''
      const type = response.headers['content-type'] ?? ''
      const done = (): void => {
        resolve({ status: response.statusCode ?? 0, type, text })
        response.destroy()
      }
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
        if (type === 'text/event-stream' && text.includes('acknowledged')) done()
      })
      response.on('end', done)
    },
  )
  request.on('error', reject)
  request.end(body)
  return promise
}

function checkAnswer({ status, type, text }: { status: number; type: string; text: string }): void {
  expect([...STATUSES]).toContain(status)
  expect(text).not.toMatch(INSIDE)
  expect(text.length).toBeLessThan(64 * 1024)
  const messages =
    type === 'text/event-stream' ? [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => data ?? '') : [text]
  for (const each of messages.filter((data) => data !== '')) {
    const answer: unknown = JSON.parse(each)
    expect(answer).toMatchObject({ jsonrpc: '2.0' })
  }
}

describe('createMcpEndpoint, whatever is sent to it', () => {
  let upstream: TestUpstream
  let world: World
  let answerWith: () => Response
  const unhandled: unknown[] = []
  const onUnhandled = (reason: unknown): void => void unhandled.push(reason)

  beforeAll(async () => {
    process.on('unhandledRejection', onUnhandled)
    answerWith = () => new Response('nothing', { status: 500 })
    upstream = await startRawUpstream((received) => {
      if (received['method'] !== 'server/discover') return answerWith()
      const result = { supportedVersions: ['2026-07-28'] }
      return Response.json({ jsonrpc: '2.0', id: received['id'], result })
    })
    world = await createWorld({ connections: { mail: upstream.url, other: upstream.url } })
  })
  afterAll(async () => {
    process.off('unhandledRejection', onUnhandled)
    await world[Symbol.asyncDispose]()
    await upstream[Symbol.asyncDispose]()
  })

  it('answers any bytes of a client with a message or a known status, and serves the next', async () => {
    await fc.assert(
      fc.asyncProperty(bytes, headers, async (body, given) => {
        checkAnswer(await send(world.url('ada'), body, given))
      }),
      { numRuns: 400 },
    )
    const { body, headers: own } = legacyRequest('ping')
    expect(await (await world.post(world.url('ada'), body, own)).json()).toMatchObject({ result: {} })
    expect(unhandled).toEqual([])
  })

  const texts = fc.oneof(
    message.map((value) => JSON.stringify(value)),
    message.map((value) => JSON.stringify({ ...value, jsonrpc: '2.0', id: 1, method: undefined })),
    fc.record({ resultType: fc.constant('input_required'), inputRequests: odd, requestState: odd }).map((result) => {
      return JSON.stringify({ jsonrpc: '2.0', id: 1, result })
    }),
    fc.record({ content: odd, contents: odd, messages: odd, _meta: odd, structuredContent: odd }).map((result) => {
      return JSON.stringify({ jsonrpc: '2.0', id: 1, result })
    }),
    fc.string({ unit: 'binary' }),
  )
  const answers = fc.record({
    status: fc.constantFrom(200, 200, 200, 202, 400, 403, 404, 418, 429, 500, 503),
    type: fc.constantFrom('application/json', 'text/event-stream', 'text/html', 'application/json;x="', ''),
    texts: fc.array(texts, { maxLength: 4 }),
    ending: fc.constantFrom('\n\n', '\r\r', '\n', '\r\n\r\n', ''),
    field: fc.constantFrom('data: ', 'data:', 'id: 1\ndata: ', 'retry: 0\ndata:', ': c\n\ndata: ', 'event: x\ndata: '),
    header: fc.constantFrom(
      'set-cookie',
      'location',
      'www-authenticate',
      'content-encoding',
      'mcp-session-id',
      'alt-svc',
    ),
  })

  it.each(['modern', 'legacy'] as const)(
    'answers a %s client with a message whatever the upstream answers, and serves the next',
    async (era) => {
      const CANARY = 'x-canary-of-the-upstream'
      await fc.assert(
        fc.asyncProperty(answers, async ({ status, type, texts: parts, ending, field, header }) => {
          const isStream = type === 'text/event-stream'
          const body = isStream ? parts.map((text) => `${field}${text}${ending}`).join('') : (parts[0] ?? '')
          answerWith = () => new Response(body, { status, headers: { 'content-type': type, [header]: CANARY } })
          const request = (era === 'modern' ? modernRequest : legacyRequest)('tools/call', { name: 'mail__one' })
          const own = request.body.replace(/"id":\d+/, '"id":1')
          const answer = await send(world.url('ada'), Buffer.from(own), request.headers)
          // The status of a message of the new era is part of it; any other is ours.
          expect([status, ...STATUSES]).toContain(answer.status)
          expect(answer.text).not.toContain(CANARY)
          const messages =
            answer.type === 'text/event-stream'
              ? [...answer.text.matchAll(/^data: (.*)$/gm)].map(([, data]) => data ?? '')
              : [answer.text]
          const last: unknown = JSON.parse(messages.at(-1) ?? '')
          expect(last).toMatchObject({ jsonrpc: '2.0', id: 1 })
        }),
        { numRuns: 300 },
      )
      expect(unhandled).toEqual([])
    },
  )

  async function post({ body, headers: own }: { body: string; headers: Record<string, string> }): Promise<string> {
    return await (await world.post(world.url('ada'), body, own)).text()
  }

  it('lets nothing through for made-up cursors, session ids, request states and ids of questions', async () => {
    const made = fc.oneof(
      fc.string({ maxLength: 400 }),
      fc.base64String({ maxLength: 400 }),
      fc.base64String({ maxLength: 400 }).map((text) => `asked_${text}`),
      fc.nat().map((start) => Buffer.from(`from-${start}x`).toString('base64url')),
    )
    answerWith = () => Response.json({ jsonrpc: '2.0', id: 1, result: { tools: [] } })
    await fc.assert(
      fc.asyncProperty(made, async (text) => {
        expect(await post(modernRequest('tools/list', { cursor: text }))).toContain('Invalid cursor')
        const seen = upstream.seen.length
        expect(await post(modernRequest('tools/call', { name: 'mail__one', requestState: text }))).toContain(
          'invalid_request_state',
        )
        await post({ body: JSON.stringify({ jsonrpc: '2.0', id: text, result: {} }), headers: {} })
        expect(upstream.seen.length).toBe(seen)
      }),
      { numRuns: 100 },
    )
  })
})
