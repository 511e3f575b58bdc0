import { describe, expect, it } from 'vitest'
import { legacyRequest, modernRequest } from './support/clients.ts'
import { startFaultProxy, type Fault } from './support/faultProxy.ts'
import { startRawUpstream } from './support/upstreams.ts'
import { createWorld } from './support/world.ts'

/** Counts every execution, and answers as JSON or as an event. */
async function startCounting(era: 'modern' | 'legacy', form: 'json' | 'sse') {
  const runs = new Map<string, number>()
  const upstream = await startRawUpstream((message, _request, body) => {
    const { id, method } = message
    const answer = (result: unknown, headers: Record<string, string> = {}) => {
      const text = JSON.stringify({ jsonrpc: '2.0', id, result })
      return form === 'sse' && method === 'tools/call'
        ? new Response(`event: message\ndata: ${text}\n\n`, {
            headers: { 'content-type': 'text/event-stream', ...headers },
          })
        : new Response(text, { headers: { 'content-type': 'application/json', ...headers } })
    }
    if (method === 'server/discover' && era === 'modern') return answer({ supportedVersions: ['2026-07-28'] })
    if (method === 'initialize') {
      return answer({ protocolVersion: '2025-11-25', capabilities: { tools: {} } }, { 'mcp-session-id': 's' })
    }
    if (method !== 'tools/call') return new Response(null, { status: id === undefined ? 202 : 400 })
    const { tag } = JSON.parse(body).params.arguments
    runs.set(tag, (runs.get(tag) ?? 0) + 1)
    return answer({ resultType: 'complete', content: [{ type: 'text', text: 'done' }] })
  })
  return { runs, url: upstream.url, [Symbol.asyncDispose]: () => upstream[Symbol.asyncDispose]() }
}

describe('createMcpEndpoint, with a network that fails in the middle of a call', () => {
  it.each([
    ['modern', 'json'],
    ['modern', 'sse'],
    ['legacy', 'json'],
    ['legacy', 'sse'],
  ] as const)(
    'T52: lets a tool of a %s upstream that answers as %s run once at most when the connection is cut at any byte',
    async (era, form) => {
      await using upstream = await startCounting(era, form)
      const { runs } = upstream
      await using proxy = await startFaultProxy(upstream.url)
      await using world = await createWorld({ connections: { mail: proxy.url } })
      const url = world.url('ada')
      const call = async (tag: string) => {
        const params = { name: 'one', arguments: { tag } }
        const { body, headers } =
          era === 'modern' ? modernRequest('tools/call', params) : legacyRequest('tools/call', params)
        const response = await world.post(url, body, headers)
        return { status: response.status, text: await response.text() }
      }
      await call('warm')
      proxy.set(undefined)
      expect((await call('0-measured')).text).toContain('done')
      const whole = proxy.passed()
      let executed = 0
      for (const direction of ['request', 'response'] as const) {
        for (let afterBytes = 0; afterBytes < whole[direction]; afterBytes += 1) {
          const tag = `${direction}-${afterBytes}`
          const fault: Fault = { direction, afterBytes, kind: 'reset' }
          proxy.set(fault)
          const { status, text } = await call(tag)
          // Whatever was cut: an answer, or an error that names the connection. The tag says where, if this fails.
          expect({ tag, status, text }).toEqual({
            tag,
            status: 200,
            text: expect.stringMatching(/done|"connection":"mail"/),
          })
          expect({ tag, runs: runs.get(tag) ?? 0 }).toEqual({ tag, runs: runs.has(tag) ? 1 : 0 })
          executed += runs.get(tag) ?? 0
        }
      }
      expect(executed).toBeGreaterThan(whole.response / 2)
      proxy.set(undefined)
      expect((await call('after')).text).toContain('done')
    },
    120_000,
  )

  it('T52: lets a tool run once at most when a call with long arguments is cut', async () => {
    await using upstream = await startCounting('modern', 'json')
    const { runs } = upstream
    await using proxy = await startFaultProxy(upstream.url)
    await using world = await createWorld({ connections: { mail: proxy.url } })
    const call = async (tag: string): Promise<string> => {
      const params = { name: 'one', arguments: { tag, long: 'x'.repeat(1024 * 1024) } }
      const { body, headers } = modernRequest('tools/call', params)
      return await (await world.post(world.url('ada'), body, headers)).text()
    }
    await call('warm')
    proxy.set(undefined)
    expect(await call('measured')).toContain('done')
    const { request, response } = proxy.passed()
    const cuts: Fault[] = [
      ...[0, 1, 500, 65_536, 500_000, request - 1].map((afterBytes) => ({ direction: 'request', afterBytes }) as const),
      ...[0, 1, response - 1].map((afterBytes) => ({ direction: 'response', afterBytes }) as const),
    ].map((cut) => ({ ...cut, kind: 'reset' }))
    for (const cut of cuts) {
      const tag = `${cut.direction}-${cut.afterBytes}`
      proxy.set(cut)
      expect({ tag, text: await call(tag) }).toEqual({ tag, text: expect.stringContaining('"connection":"mail"') })
      expect({ tag, runs: runs.get(tag) ?? 0 }).toEqual({ tag, runs: cut.direction === 'response' ? 1 : 0 })
    }
    proxy.set(undefined)
    expect(await call('after')).toContain('done')
  })

  it('T45: ends a call to an upstream that falls silent when its client goes, and keeps no socket of it', async () => {
    await using upstream = await startCounting('modern', 'json')
    const { runs } = upstream
    await using proxy = await startFaultProxy(upstream.url)
    await using world = await createWorld({ connections: { mail: proxy.url } })
    const { body, headers } = modernRequest('tools/call', { name: 'one', arguments: { tag: 'silent' } })
    // Which era it is of is found out before, and for everybody.
    await (await world.post(world.url('ada'), body, headers)).text()
    const idle = proxy.openConnections()
    proxy.set({ direction: 'response', afterBytes: 0, kind: 'silence' })
    const gone = new AbortController()
    const pending = fetch(world.url('ada'), {
      method: 'POST',
      body,
      signal: gone.signal,
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    })
    await expect.poll(() => proxy.passed().request).toBeGreaterThan(0)
    gone.abort(new Error('the client leaves'))
    await expect(pending).rejects.toThrow('the client leaves')
    await expect.poll(() => world.logLines.at(-1)).toMatchObject({ outcome: 'aborted' })
    expect(runs.get('silent') ?? 0).toBeLessThanOrEqual(2)
    await expect.poll(() => proxy.openConnections()).toBeLessThanOrEqual(idle)
  })
})
