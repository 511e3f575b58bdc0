import { once } from 'node:events'
import { type IncomingMessage, request as startRequest } from 'node:http'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { modernRequest } from './support/clients.ts'
import { startScriptedUpstream, type TestUpstream } from './support/upstreams.ts'
import { createWorld, type World } from './support/world.ts'

const SSE = { 'content-type': 'text/event-stream' }

/** An upstream that begins an answer, says when it did and when nobody listens any more, and never ends by itself. */
async function startEndless(begins: 'a stream' | 'nothing') {
  const begun = Promise.withResolvers<void>()
  const gone = Promise.withResolvers<void>()
  const upstream: TestUpstream = await startScriptedUpstream('[]', (_body, request) => {
    begun.resolve()
    request.signal.addEventListener('abort', () => gone.resolve())
    if (begins === 'nothing') return new Promise<never>(() => undefined)
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode(': here\n\n')),
      cancel: () => gone.resolve(),
    })
    return new Response(stream, { headers: SSE })
  })
  return { upstream, begun: begun.promise, gone: gone.promise }
}

const endings: [string, (world: World) => void][] = [
  ['the user is revoked', (world) => world.revoke('ada')],
  ['the URL is rotated', (world) => world.rotateUrl('ada')],
  ['the config is deleted', (world) => world.deleteConfig()],
  ['the account is removed', (world) => world.setStatus('ada', 'mail', 'DISCONNECTED')],
]

describe('T67: what is under way', () => {
  it.each(endings)('ends, also upstream, when %s', async (_what, end) => {
    const { upstream, gone } = await startEndless('a stream')
    await using _ = upstream
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const { body, headers } = modernRequest('tools/call', { name: 'echo', arguments: {} })
    const response = await world.post(world.url('ada'), body, headers)
    expect(response.headers.get('content-type')).toContain('text/event-stream')
    end(world)
    expect(await response.text()).toMatch(/revoked|disconnected/)
    await gone
  })

  it('is told nothing but that there is no such URL when the user is revoked before the answer begins', async () => {
    const { upstream, begun, gone } = await startEndless('nothing')
    await using _ = upstream
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const { body, headers } = modernRequest('tools/call', { name: 'echo', arguments: {} })
    const answer = world.post(world.url('ada'), body, headers)
    await begun
    world.revoke('ada')
    const never = await world.post(`${world.origin}/mcp/nonsense`, body, headers)
    const denied = await answer
    expect([denied.status, await denied.text()]).toEqual([never.status, await never.text()])
    await gone
  })

  it('is told the same when the URL is rotated while the request is still coming in', async () => {
    const { upstream } = await startEndless('nothing')
    await using _ = upstream
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const { body, headers } = modernRequest('tools/call', { name: 'echo', arguments: {} })
    const url = world.url('ada')
    const half = Math.floor(body.length / 2)
    let wasAsked = false
    const slow = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          if (!wasAsked) {
            wasAsked = true
            return controller.enqueue(new TextEncoder().encode(body.slice(0, half)))
          }
          // The answer to another request says that this one has come in so far.
          await (await world.post(world.url('berta'), modernRequest('tools/list').body, headers)).text()
          world.rotateUrl('ada')
          controller.enqueue(new TextEncoder().encode(body.slice(half)))
          controller.close()
        },
      },
      { highWaterMark: 0 },
    )
    const init = { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers }
    const response = await fetch(url, { method: 'POST', headers: init, body: slow, duplex: 'half' } as RequestInit)
    expect(response.status).toBe(404)
  })

  it('ends for a session token too when the user is revoked', async () => {
    const { upstream, gone } = await startEndless('a stream')
    await using _ = upstream
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const { body, headers } = modernRequest('tools/call', { name: 'echo', arguments: {} })
    const authorization = `Bearer ${await world.token('ada')}`
    const response = await world.post(world.staticUrl(), body, { ...headers, authorization })
    world.revoke('ada')
    expect(await response.text()).toContain('revoked')
    await gone
  })

  it('does not end because its session token has expired, whatever changes meanwhile, until that is revoked', async () => {
    const { upstream } = await startEndless('a stream')
    await using _ = upstream
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const { body, headers } = modernRequest('tools/call', { name: 'echo', arguments: {} })
    const withToken = async (user: string) => ({ ...headers, authorization: `Bearer ${await world.token(user)}` })
    const response = await world.post(world.staticUrl(), body, await withToken('ada'))
    world.clock.now += 3_600_000
    world.rotateUrl('berta')
    world.changeConfig()
    // Another token is verified meanwhile: what the changes have set off is done.
    const answered = await world.post(world.staticUrl(), body, await withToken('berta'))
    const reader = response.body?.getReader()
    await reader?.read()
    const next = reader?.read().then(({ value }) => new TextDecoder().decode(value))
    expect(await Promise.race([next, new Promise((resolve) => setImmediate(resolve, 'goes on'))])).toBe('goes on')
    world.revoke('ada')
    expect(await next).toContain('revoked')
    await answered.body?.cancel()
  })

  it('ends when the user is revoked, and not when the grace is over, while the endpoint closes', async () => {
    const { upstream, gone } = await startEndless('a stream')
    await using _ = upstream
    const world = await createWorld({ connections: { mail: upstream.url } })
    const { body, headers } = modernRequest('tools/call', { name: 'echo', arguments: {} })
    const response = await world.post(world.url('ada'), body, headers)
    const closed = world[Symbol.asyncDispose]()
    world.revoke('ada')
    expect(await response.text()).toContain('revoked')
    await gone
    await closed
  })

  it('goes on for everybody else', async () => {
    const { upstream } = await startEndless('a stream')
    await using _ = upstream
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const { body, headers } = modernRequest('tools/call', { name: 'echo', arguments: {} })
    const ofBerta = await world.post(world.url('berta'), body, headers)
    const ofAda = await world.post(world.url('ada'), body, headers)
    const reader = ofBerta.body?.getReader()
    await reader?.read()
    world.revoke('ada')
    await ofAda.text()
    const next = reader?.read().then(() => 'ended')
    expect(await Promise.race([next, new Promise((resolve) => setImmediate(resolve, 'goes on'))])).toBe('goes on')
    await reader?.cancel()
  })
})

/** Sends half of the body once the endpoint has let the headers in, and the rest when something else has happened. */
async function postInTwo(url: string, body: string, headers: Record<string, string>, meanwhile: () => void) {
  const half = Math.floor(body.length / 2)
  const sent = startRequest(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      accept: 'application/json, text/event-stream',
      expect: '100-continue',
      ...headers,
    },
  })
  const answered: Promise<IncomingMessage[]> = once(sent, 'response')
  sent.flushHeaders()
  await once(sent, 'continue')
  sent.write(body.slice(0, half))
  meanwhile()
  sent.end(body.slice(half))
  const [response] = await answered
  if (response === undefined) throw new Error('no answer has come')
  const { date: _date, ...said } = response.headers
  return { status: response.statusCode, headers: said, text: await text(response) }
}

const REQUESTS = [
  ['a call', 'tools/call', { name: 'echo', arguments: {} }],
  ['a list', 'tools/list', {}],
] as const

describe.each(REQUESTS)('T67: %s whose body is still on its way', (_what, method, params) => {
  const { body, headers } = modernRequest(method, params)

  it.each(endings.slice(0, 3))('reaches no upstream, and is told what a wrong URL is, when %s', async (_when, end) => {
    await using upstream = await startScriptedUpstream('[]')
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const denied = await postInTwo(world.url('ada'), body, headers, () => end(world))
    expect(denied).toEqual(await postInTwo(`${world.origin}/mcp/nonsense`, body, headers, () => undefined))
    expect(upstream.seen).toEqual([])
  })

  it.each([
    ['the user is revoked', (world: World) => world.revoke('ada')],
    ['the token expires', (world: World) => void (world.clock.now += 3_600_000)],
  ])('reaches no upstream, and is told what a wrong token is, when %s', async (_when, end) => {
    await using upstream = await startScriptedUpstream('[]')
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const post = (token: string, meanwhile: () => void) =>
      postInTwo(world.staticUrl(), body, { ...headers, authorization: `Bearer ${token}` }, meanwhile)
    const token = await world.token('ada')
    // Its signature has been verified once: now the endpoint lets it in as soon as the headers are there.
    await post(token, () => undefined)
    upstream.seen.length = 0
    const denied = await post(token, () => end(world))
    expect(denied).toEqual(await post('nonsense', () => undefined))
    expect(upstream.seen).toEqual([])
  })
})
