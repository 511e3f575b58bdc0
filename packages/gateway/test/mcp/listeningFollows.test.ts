import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openGateway, type OpenGateway } from '../operations/openGateway.ts'
import { modernRequest } from './support/clients.ts'
import { jsonResponse, startRawUpstream, type TestUpstream } from './support/upstreams.ts'

const CHANGED = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' })

/** An upstream of 2026-07-28 that says who listens, and tells the last one that its tools have changed. */
async function startTelling() {
  const streams: ReadableStreamDefaultController<Uint8Array>[] = []
  const waiting: (() => void)[] = []
  const gone = Promise.withResolvers<void>()
  const upstream: TestUpstream = await startRawUpstream(({ id, method }) => {
    if (method === 'server/discover') {
      return jsonResponse({ jsonrpc: '2.0', id, result: { supportedVersions: ['2026-07-28'] } })
    }
    if (method !== 'subscriptions/listen') return jsonResponse({ jsonrpc: '2.0', id, result: { tools: [] } })
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        streams.push(controller)
        for (const wake of waiting.splice(0)) wake()
      },
      cancel: () => gone.resolve(),
    })
    return new Response(stream, { headers: { 'content-type': 'text/event-stream' } })
  })
  return {
    url: upstream.url,
    /** Settles when the first that listened does so no more. */
    gone: gone.promise,
    /** Settles when so many have listened, one after the other. */
    listened: async (count = 1) => {
      while (streams.length < count) await new Promise<void>((resolve) => waiting.push(resolve))
    },
    tell: () => streams.at(-1)?.enqueue(new TextEncoder().encode(`data: ${CHANGED}\n\n`)),
    [Symbol.asyncDispose]: () => upstream[Symbol.asyncDispose](),
  }
}

type Telling = Awaited<ReturnType<typeof startTelling>>

const definitionOf = ({ url }: Telling) => ({ mcp_server_url: url, auth: { type: 'none' } })

const config = (connection: string) => ({ connection_tool_mappings: [{ connection_name: connection }] })
const instance = { config_name: 'agent', user_identifier: 'ada' }

describe('A stream of notifications that is open', () => {
  let opened: OpenGateway
  let app: Awaited<ReturnType<OpenGateway['asApp']>>
  beforeEach(async () => {
    opened = await openGateway({ publicUrl: 'http://127.0.0.1:8787' })
    app = await opened.asApp()
  })
  afterEach(() => opened.close())

  async function made(path: string, body: object): Promise<{ id: string; url: string }> {
    const answer: Record<string, { id: string; url: string }> = await (await app('POST', path, body)).json()
    const [object] = Object.values(answer)
    if (object === undefined) throw new Error(`nothing was made at ${path}`)
    return object
  }

  /** Gives what waits for the next word that tools have changed. */
  async function listen(url: string): Promise<() => Promise<void>> {
    const { body, headers } = modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true } })
    const all = { 'content-type': 'application/json', ...headers }
    const response = await opened.call(url, { method: 'POST', body, headers: all })
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    let received = ''
    return async () => {
      while (!received.includes('tools/list_changed')) {
        const { value, done } = await reader.read()
        if (done) throw new Error('the stream has ended')
        received += value
      }
      received = ''
    }
  }

  it('hears the server that the connection leads to after it was changed, and no more the one before', async () => {
    await using before = await startTelling()
    await using after = await startTelling()
    const { id } = await made('/api/v1/connections', { name: 'wiki', ...definitionOf(before) })
    await made('/api/v1/mcp/configs', { name: 'agent', ...config('wiki') })
    const { url } = await made('/api/v1/mcp/instances', instance)
    // They share what they hear.
    const told = [await listen(url), await listen(url)]
    await before.listened()
    expect((await app('PUT', `/api/v1/connections/${id}`, definitionOf(after))).status).toBe(200)
    await Promise.all(told.map((next) => next()))
    await before.gone
    await after.listened()
    after.tell()
    await expect(Promise.all(told.map((next) => next()))).resolves.toHaveLength(2)
  })

  it('hears the connections that the config names after it was changed, and no more the others', async () => {
    await using before = await startTelling()
    await using after = await startTelling()
    await made('/api/v1/connections', { name: 'wiki', ...definitionOf(before) })
    await made('/api/v1/connections', { name: 'notes', ...definitionOf(after) })
    const { id } = await made('/api/v1/mcp/configs', { name: 'agent', ...config('wiki') })
    const next = await listen((await made('/api/v1/mcp/instances', instance)).url)
    await before.listened()
    expect((await app('PUT', `/api/v1/mcp/configs/${id}`, config('notes'))).status).toBe(200)
    await next()
    await before.gone
    await after.listened()
    after.tell()
    await expect(next()).resolves.toBeUndefined()
  })

  it('hears the connections of the config to which its instance was moved', async () => {
    await using before = await startTelling()
    await using after = await startTelling()
    await made('/api/v1/connections', { name: 'wiki', ...definitionOf(before) })
    await made('/api/v1/connections', { name: 'notes', ...definitionOf(after) })
    await made('/api/v1/mcp/configs', { name: 'agent', ...config('wiki') })
    const other = await made('/api/v1/mcp/configs', { name: 'other', ...config('notes') })
    const { id, url } = await made('/api/v1/mcp/instances', instance)
    const next = await listen(url)
    await before.listened()
    expect((await app('PATCH', `/api/v1/mcp/instances/${id}`, { config_name: 'other' })).status).toBe(200)
    await next()
    await before.gone
    await after.listened()
    after.tell()
    await next()
    // From now on it is this config's changes that count.
    expect((await app('PUT', `/api/v1/mcp/configs/${other.id}`, config('wiki'))).status).toBe(200)
    await next()
    await before.listened(2)
    before.tell()
    await expect(next()).resolves.toBeUndefined()
  })
})
