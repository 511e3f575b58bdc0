import { expect, it } from 'vitest'
import { modernRequest } from '../mcp/support/clients.ts'
import { jsonResponse, startScriptedUpstream } from '../mcp/support/upstreams.ts'
import { openReader } from './openReader.ts'

it('T45: sends no call whose client has gone before it could be sent', async () => {
  const calls: unknown[] = []
  await using upstream = await startScriptedUpstream('[]', (body) => {
    const { id, params } = JSON.parse(body)
    calls.push(params.name)
    return jsonResponse({ jsonrpc: '2.0', id, result: { resultType: 'complete', content: [] } })
  })
  const { opened, url } = await openReader(upstream.url)
  const call = async (name: string, signal: AbortSignal | null) => {
    const { body, headers } = modernRequest('tools/call', { name, arguments: {} })
    const all = { ...headers, 'content-type': 'application/json', host: new URL(url).host }
    // The request is whole, as that of a client that went right after it had sent it.
    const request = new Request(url, { method: 'POST', body, headers: all })
    if (signal !== null) Object.defineProperty(request, 'signal', { value: signal })
    return await (await opened.gateway.fetch(request)).text()
  }
  expect(await call('first', null)).toContain('"content":[]')
  await call('second', AbortSignal.abort())
  expect(await call('third', null)).toContain('"content":[]')
  expect(calls).toEqual(['first', 'third'])
  await opened.close()
})
