import { afterEach, describe, expect, it, vi } from 'vitest'
import { modernRequest } from '../mcp/support/clients.ts'
import { jsonResponse, startScriptedUpstream } from '../mcp/support/upstreams.ts'
import { openReader } from './openReader.ts'

const SSE = { 'content-type': 'text/event-stream' }

/** A gateway whose one upstream begins to answer a call as a stream, or not at all, and ends it when it is released. */
async function openWithSlowUpstream() {
  const begun = new Map(['stream', 'nothing'].map((name) => [name, Promise.withResolvers<void>()]))
  const released = Promise.withResolvers<void>()
  const upstream = await startScriptedUpstream('[]', async (body) => {
    const { id, params } = JSON.parse(body)
    const result = { jsonrpc: '2.0', id, result: { resultType: 'complete', content: [] } }
    begun.get(params.name)?.resolve()
    if (params.name === 'nothing') {
      await released.promise
      return jsonResponse(result)
    }
    const stream = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(new TextEncoder().encode(': here\n\n'))
        await released.promise
        controller.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(result)}\n\n`))
      },
    })
    return new Response(stream, { headers: SSE })
  })
  const { opened, url } = await openReader(upstream.url)

  async function post(method: string, params: Record<string, unknown>): Promise<Response> {
    const { body, headers } = modernRequest(method, params)
    return await opened.call(url, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', ...headers },
    })
  }
  return {
    post,
    /** The answer, once the upstream has the call. */
    async called(name: 'stream' | 'nothing') {
      const answer = post('tools/call', { name, arguments: {} })
      await begun.get(name)?.promise
      return { answer }
    },
    url: new URL(url),
    gateway: opened.gateway,
    release: () => released.resolve(),
    async [Symbol.asyncDispose]() {
      released.resolve()
      await opened.close()
      await upstream[Symbol.asyncDispose]()
    },
  }
}

describe('Gateway.close', () => {
  afterEach(() => void vi.useRealTimers())

  it('ends event streams at once, and lets a call be answered that has begun', async () => {
    await using opened = await openWithSlowUpstream()
    const listening = await opened.post('subscriptions/listen', { notifications: { toolsListChanged: true } })
    const { answer } = await opened.called('nothing')
    const closed = opened.gateway.close()
    expect(await listening.text()).toContain('"resultType":"complete"')
    opened.release()
    expect((await (await answer).json()).result).toMatchObject({ content: [] })
    await closed
  })

  it('gives calls that have begun to be answered, and those that have not, the same ten seconds', async () => {
    await using opened = await openWithSlowUpstream()
    const [stream, nothing] = [await opened.called('stream'), await opened.called('nothing')]
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const closed = opened.gateway.close()
    await vi.advanceTimersByTimeAsync(10_000)
    for (const { answer } of [stream, nothing]) {
      expect(await (await answer).text()).toContain('The gateway is closing. The call may have been carried out')
    }
    await closed
  })

  it('lets a call be answered whose body was still on its way', async () => {
    await using opened = await openWithSlowUpstream()
    opened.release()
    const { body, headers } = modernRequest('tools/call', { name: 'nothing', arguments: {} })
    const isReading = Promise.withResolvers<void>()
    const rest = Promise.withResolvers<void>()
    const slow = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          isReading.resolve()
          await rest.promise
          controller.enqueue(new TextEncoder().encode(body))
          controller.close()
        },
      },
      { highWaterMark: 0 },
    )
    const all = { host: opened.url.host, 'content-type': 'application/json', ...headers }
    // TypeScript knows no `duplex` there, which Node insists on.
    const init = { method: 'POST', headers: all, body: slow, duplex: 'half' }
    const request = new Request(opened.url, init)
    const answer = opened.gateway.fetch(request)
    await isReading.promise
    const closed = opened.gateway.close()
    rest.resolve()
    expect((await (await answer).json()).result).toMatchObject({ content: [] })
    await closed
  })
})
