import { describe, expect, it } from 'vitest'
import { legacyRequest, modernRequest } from './support/clients.ts'
import { jsonResponse, startLegacyUpstream, startScriptedUpstream } from './support/upstreams.ts'
import { createWorld } from './support/world.ts'

/** More digits than a parser of JavaScript keeps. */
const [ID, TOKEN, MAXIMUM] = ['12345678901234567890', '98765432109876543210', '11111111111111111111'] as const

/** An upstream that answers with the id that its parser has made of it. */
const startRounding = () =>
  startScriptedUpstream('[]', (body) =>
    jsonResponse({ jsonrpc: '2.0', id: JSON.parse(body).id, result: { resultType: 'complete', content: [] } }),
  )

describe('createMcpEndpoint, numbers with more digits than a parser keeps', () => {
  it.each([
    ['2026-07-28', startRounding],
    ['2025-11-25', startLegacyUpstream],
  ] as const)('come back from an upstream of %s as ids of a request as they were written', async (_era, start) => {
    await using upstream = await start()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    for (const request of [modernRequest, legacyRequest]) {
      const { body, headers } = request('tools/call', { name: 'echo', arguments: { text: 'x' } })
      const sent = body.replace(/"id":\d+/, `"id":${ID}`)
      const answer = await (await world.post(world.url('ada'), sent, headers)).text()
      expect(answer).toContain(`"id":${ID}`)
      expect(answer).toContain('"result":')
    }
  })

  it.each([
    ['a list', modernRequest('tools/list')],
    ['a ping', legacyRequest('ping')],
    ['an error', legacyRequest('tools/call', { name: 'nothing' })],
    ['what cannot be reached', legacyRequest('tools/call', { name: 'echo', arguments: {} })],
    ['a stream of notifications', modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true } })],
  ])('come back as the id of %s as they were written', async (_what, { body, headers }) => {
    await using upstream = await startScriptedUpstream('[{"name":"echo"}]')
    await using world = await createWorld({ connections: { mail: upstream.url } })
    for (const id of [ID, '1.0', '-0', '1E3']) {
      const sent = body.replace(/"id":\d+/, `"id":${id}`)
      const reader = (await world.post(world.url('ada'), sent, headers))
        .body!.pipeThrough(new TextDecoderStream())
        .getReader()
      expect((await reader.read()).value).toMatch(new RegExp(`"(id|io.modelcontextprotocol/subscriptionId)":${id}[,}]`))
      await reader.cancel()
    }
  })

  it('name a call that is to be cancelled', async () => {
    await using upstream = await startLegacyUpstream()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const opening = legacyRequest('initialize', { protocolVersion: '2025-11-25', capabilities: {} })
    const opened = await world.post(world.url('ada'), opening.body, opening.headers)
    const { body, headers } = legacyRequest('tools/call', { name: 'wait', arguments: {} })
    const session = { ...headers, 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' }
    const call = world.post(world.url('ada'), body.replace(/"id":\d+/, `"id":${ID}`), session)
    await expect.poll(() => upstream.executed).toEqual(['wait'])
    const cancelled = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${ID}}}`
    await world.post(world.url('ada'), cancelled, session)
    await upstream.cancelled
    expect(await (await call).text()).not.toContain('released')
  })

  it('come back as progress tokens as they were written', async () => {
    await using upstream = await startLegacyUpstream()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const { body, headers } = legacyRequest('tools/call', { name: 'steps', arguments: { label: 'x' }, _meta: {} })
    const sent = body.replace('"_meta":{}', `"_meta":{"progressToken":${TOKEN}}`)
    const answer = await (await world.post(world.url('ada'), sent, headers)).text()
    expect(answer.split(`"progressToken":${TOKEN}`)).toHaveLength(4)
  })

  it('are what an upstream asks and a client answers in the middle of a call', async () => {
    const bodies: string[] = []
    await using upstream = await startScriptedUpstream('[]', (body) => {
      bodies.push(body)
      const schema = `{"type":"object","properties":{"n":{"type":"integer","maximum":${MAXIMUM}}}}`
      const params = `{"mode":"form","message":"x","requestedSchema":${schema}}`
      const requests = `{"q":{"method":"elicitation/create","params":${params}}}`
      const result = body.includes('inputResponses')
        ? '{"resultType":"complete","content":[]}'
        : `{"resultType":"input_required","inputRequests":${requests}}`
      return jsonResponse(`{"jsonrpc":"2.0","id":${JSON.parse(body).id},"result":${result}}`)
    })
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const opening = legacyRequest('initialize', {
      protocolVersion: '2025-11-25',
      capabilities: { elicitation: { form: {} } },
    })
    const opened = await world.post(world.url('ada'), opening.body, opening.headers)
    const { body, headers } = legacyRequest('tools/call', { name: 'one', arguments: {} })
    const session = { ...headers, 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' }
    const reader = (await world.post(world.url('ada'), body, session))
      .body!.pipeThrough(new TextDecoderStream())
      .getReader()
    const { value: question = '' } = await reader.read()
    expect(question).toContain(`"maximum":${MAXIMUM}`)
    const { id } = JSON.parse(/^data: (.*)$/m.exec(question)?.[1] ?? '')
    const result = `{"action":"accept","content":{"n":${ID}}}`
    await world.post(world.url('ada'), `{"jsonrpc":"2.0","id":"${id}","result":${result}}`, session)
    expect((await reader.read()).value).toContain('"content":[]')
    expect(bodies.at(-1)).toContain(`"inputResponses":{"q":${result}}`)
  })
})
