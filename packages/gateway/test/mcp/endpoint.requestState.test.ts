import { describe, expect, it } from 'vitest'
import { modernRequest } from './support/clients.ts'
import { jsonResponse, startScriptedUpstream } from './support/upstreams.ts'
import { createWorld } from './support/world.ts'

const HOUR_MS = 60 * 60_000
const CAPABILITIES = { elicitation: { form: {} } }

/** An upstream that asks, and wants its own state back with the answer. */
const startAsking = () =>
  startScriptedUpstream('[]', (body) => {
    const { id, params } = JSON.parse(body)
    const asked = { method: 'elicitation/create', params: { mode: 'form', message: 'x', requestedSchema: {} } }
    const result =
      params.requestState === undefined
        ? { resultType: 'input_required', inputRequests: { q: asked }, requestState: 'state-of-the-upstream' }
        : { resultType: 'complete', content: [{ type: 'text', text: params.requestState }] }
    return jsonResponse({ jsonrpc: '2.0', id, result })
  })

describe('createMcpEndpoint, the state of a request', () => {
  it('T15: is sealed, comes back to its upstream as it was, and is refused after an hour without asking anybody', async () => {
    await using upstream = await startAsking()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const call = async (params: Record<string, unknown> = {}) => {
      const { body, headers } = modernRequest('tools/call', { name: 'one', arguments: {}, ...params }, CAPABILITIES)
      return await (await world.post(world.url('ada'), body, headers)).json()
    }
    const { requestState } = (await call()).result
    expect(Buffer.from(requestState, 'base64url').toString()).not.toContain('state-of-the-upstream')
    const answered = { requestState, inputResponses: { q: { action: 'accept', content: {} } } }
    expect((await call(answered)).result.content).toEqual([{ type: 'text', text: 'state-of-the-upstream' }])
    const seen = upstream.seen.length
    world.clock.now += HOUR_MS
    expect(await call(answered)).toMatchObject({
      error: { code: -32_602, data: { reason: 'invalid_request_state' } },
    })
    expect(upstream.seen.length).toBe(seen)
  })
})
