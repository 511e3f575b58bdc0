import { describe, expect, it } from 'vitest'
import { ManualTiming } from '../src/testing/index.ts'
import { olderEndpoint, type Answer } from './fixtures/olderEndpoint.ts'
import { failureOf } from './fixtures/setup.ts'

const silent: Answer = () => {}
/** A stream of events that has begun, can be resumed, and goes no further. */
const begun: Answer = (response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write('id: 1\nretry: 1\ndata: \n\n')
}

const KEY = 'canary-key-0123456789'

/** Answers that repeat the key, each in its way. */
const REPEATING: Record<string, [status: number, headers: Record<string, string>, body: string]> = {
  'as the type of its answer': [200, { 'content-type': `text/${KEY}` }, ''],
  'as an answer that is no JSON': [200, { 'content-type': 'application/json' }, KEY],
  'as the scope that it wants': [
    403,
    { 'www-authenticate': `Bearer error="insufficient_scope", scope="${KEY}", error_description="${KEY}"` },
    '',
  ],
  'as a type of its refusal': [500, { 'content-type': KEY }, KEY],
}

describe('UserTool.call at an endpoint of before MCP 2026-07-28', () => {
  it.each([
    ['before its answer', silent],
    ['in the middle of its answer', begun],
  ])('tells the endpoint, and hangs up, when it takes too long or is aborted %s', async (_how, answer) => {
    const timing = new ManualTiming()
    const { send, seen, open, until } = await olderEndpoint({ 'tools/call': answer }, { timing })
    const controller = new AbortController()
    const late = Array.from({ length: 3 }, () => failureOf(send.call({}, { timeoutMs: 30_000 })))
    const aborted = failureOf(send.call({}, { signal: controller.signal }))
    const count = (method: string) => seen.filter((one) => one === method).length
    await until(() => count('tools/call') === 4)
    timing.advance(30_000)
    controller.abort()
    expect((await Promise.all([...late, aborted])).map(({ code }) => code)).toEqual([
      'timeout',
      'timeout',
      'timeout',
      'aborted',
    ])
    await until(() => count('notifications/cancelled') === 4 && open.size === 0)
    expect(count('tools/call')).toBe(4)
    expect(seen).not.toContain('GET')
  })

  it.each(Object.entries(REPEATING))('tells nothing of a key that the endpoint repeats %s', async (_how, given) => {
    const [status, headers, body] = given
    const repeat: Answer = (response) => void response.writeHead(status, headers).end(body)
    const { send } = await olderEndpoint({ 'tools/call': repeat }, { headers: { authorization: `Bearer ${KEY}` } })
    const error = await failureOf(send.call({}))
    // Nor its beginning, which is what is quoted of an answer that is no JSON.
    expect(`${error.message} ${error.stack}`).not.toContain(KEY.slice(0, 7))
  })

  it('says that an answer is not JSON, and that the call may have been carried out', async () => {
    const { send } = await olderEndpoint({
      'tools/call': (response) => void response.writeHead(200, { 'content-type': 'application/json' }).end('hello'),
    })
    const { code, message } = await failureOf(send.call({}))
    expect([code, message]).toEqual([
      'invalid_response',
      expect.stringMatching(/not JSON; it may have been carried out/),
    ])
  })

  it('says unauthorized when the credential does not cover the call, which was not carried out', async () => {
    const { send, seen } = await olderEndpoint({
      'tools/call': (response) =>
        void response.writeHead(403, { 'www-authenticate': 'Bearer error="insufficient_scope", scope="x"' }).end(),
    })
    const { code, message } = await failureOf(send.call({}))
    expect([code, message]).toEqual(['unauthorized', expect.stringMatching(/answered HTTP 403$/)])
    expect(seen.filter((method) => method === 'tools/call')).toHaveLength(1)
  })

  it('ends connecting, too, when it takes too long, and does not send the call', async () => {
    const timing = new ManualTiming()
    const answers: Record<string, Answer> = {}
    const { send, seen, until } = await olderEndpoint(answers, { timing, idleMs: 5_000 })
    timing.advance(5_000)
    await until(() => seen.includes('DELETE'))
    answers['server/discover'] = silent
    const call = send.call({}, { timeoutMs: 1_000 })
    call.catch(() => {})
    await until(() => seen.lastIndexOf('server/discover') > seen.indexOf('DELETE'))
    timing.advance(1_000)
    const { code, message } = await failureOf(call)
    expect([code, message]).toEqual(['timeout', 'calling tool "send" for user "u1" took longer than 1000 ms'])
    expect(seen).not.toContain('tools/call')
  })
})

describe('Latchkey.close', () => {
  it.each([
    ['its own sockets', {}],
    ["the app's fetch", { fetch: async (url: string | URL, init?: RequestInit) => await fetch(url, init) }],
  ])('ends a call that is under way, and the session at the server after it, over %s', async (_how, options) => {
    const { latchkey, send, seen, until, open } = await olderEndpoint({ 'tools/call': silent }, options)
    const call = send.call({})
    call.catch(() => {})
    await until(() => seen.includes('tools/call'))
    await latchkey.close()
    expect(seen).toContain('DELETE')
    const { code, message } = await failureOf(call)
    expect(code).toBe('aborted')
    expect(message).toMatch(/"u1" was aborted: this Latchkey was closed; it may have been carried out; check before/)
    await until(() => open.size === 0)
  })
})
