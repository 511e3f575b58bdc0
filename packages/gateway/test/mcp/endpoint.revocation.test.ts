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
