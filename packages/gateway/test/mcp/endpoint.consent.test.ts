import { describe, expect, it } from 'vitest'
import { connectLegacy, connectModern, legacyRequest, modernRequest } from './support/clients.ts'
import { startModernUpstream } from './support/upstreams.ts'
import { createWorld } from './support/world.ts'

describe('createMcpEndpoint, when a connection has to be authorized', () => {
  it('asks a 2026 client that can open URLs for input, with a link for this account', async () => {
    await using upstream = await startModernUpstream()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    world.setStatus('ada', 'mail', 'PENDING_AUTH')
    const client = await connectModern(world.url('ada'), { canOpenUrls: true })
    const result = await client.callTool({ name: 'echo', arguments: { text: 'x' } })
    expect(result).toMatchObject({
      resultType: 'input_required',
      inputRequests: {
        'latchkey.authorize.mail': {
          method: 'elicitation/create',
          params: { mode: 'url', url: world.links[0], message: 'Authorize MAIL to continue.' },
        },
      },
    })
    expect(world.links).toHaveLength(1)
    expect(world.links[0]).toContain(world.account('ada', 'mail').id)
    await client.close()
  })

  it('goes on with the retry once consent is there, and keeps its own question from the upstream', async () => {
    await using upstream = await startModernUpstream()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    world.setStatus('ada', 'mail', 'PENDING_AUTH')
    const inputResponses = { 'latchkey.authorize.mail': { action: 'accept' } }
    const params = { name: 'echo', arguments: { text: 'x' }, inputResponses }
    const retry = async () => {
      const { body, headers } = modernRequest('tools/call', params, { elicitation: { url: {} } })
      return (await world.post(world.url('ada'), body, headers)).json()
    }
    expect(await retry()).toMatchObject({ result: { resultType: 'input_required' } })
    world.setStatus('ada', 'mail', 'ACTIVE')
    expect(await retry()).toMatchObject({ result: { structuredContent: { echoed: 'x' } } })
    expect(JSON.stringify(upstream.seen)).not.toContain('latchkey.authorize')
    expect(upstream.executed).toEqual(['echo'])
  })

  it('does not ask again when the person declined', async () => {
    await using upstream = await startModernUpstream()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    world.setStatus('ada', 'mail', 'PENDING_AUTH')
    const inputResponses = { 'latchkey.authorize.mail': { action: 'decline' } }
    const { body, headers } = modernRequest(
      'tools/call',
      { name: 'echo', inputResponses },
      { elicitation: { url: {} } },
    )
    const { result } = await (await world.post(world.url('ada'), body, headers)).json()
    expect(result).toMatchObject({ isError: true, content: [{ text: expect.stringContaining('did not authorize') }] })
    expect(world.links).toEqual([])
  })

  it('answers a 2025 client that can open URLs with the error of its era', async () => {
    await using upstream = await startModernUpstream()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    world.setStatus('ada', 'mail', 'EXPIRED')
    const client = await connectLegacy(world.url('ada'), { canOpenUrls: true })
    await expect(client.callTool({ name: 'echo', arguments: { text: 'x' } })).rejects.toMatchObject({
      code: -32042,
      data: {
        elicitations: [
          {
            mode: 'url',
            url: expect.stringContaining(world.account('ada', 'mail').id),
            elicitationId: expect.any(String),
            message: expect.any(String),
          },
        ],
      },
    })
    await client.close()
  })

  it.each([
    ['2026', connectModern],
    ['2025', connectLegacy],
  ])('tells a %s client that cannot open URLs what to do, and gives the model no link', async (_era, connect) => {
    await using upstream = await startModernUpstream()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    world.setStatus('ada', 'mail', 'EXPIRED')
    const client = await connect(world.url('ada'))
    const result = await client.callTool({ name: 'echo', arguments: { text: 'x' } })
    expect(result).toMatchObject({
      isError: true,
      content: [{ type: 'text', text: expect.stringContaining('"mail"') }],
    })
    expect(result).toMatchObject({
      _meta: { 'latchkey/unavailable': [{ connection: 'mail', reason: 'authorization_required' }] },
    })
    expect(JSON.stringify(result)).not.toContain('lklink')
    expect(world.links).toEqual([])
    await client.close()
  })

  it('asks when the upstream refuses the credential in the middle of a run and it cannot be renewed', async () => {
    await using upstream = await startModernUpstream()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const client = await connectModern(world.url('ada'), { canOpenUrls: true })
    await client.callTool({ name: 'echo', arguments: { text: 'x' } })
    upstream.intercept = () => new Response('', { status: 401 })
    world.refreshable = false
    const result = await client.callTool({ name: 'echo', arguments: { text: 'x' } })
    expect(result).toMatchObject({ resultType: 'input_required' })
    expect(upstream.executed).toHaveLength(1)
    await client.close()
  })

  it('mints no link for a tool that is not allowed', async () => {
    await using upstream = await startModernUpstream()
    await using world = await createWorld({ connections: { mail: upstream.url }, allow: { mail: ['echo'] } })
    world.setStatus('ada', 'mail', 'PENDING_AUTH')
    const modern = modernRequest('tools/call', { name: 'wait' }, { elicitation: { url: {} } })
    expect(await (await world.post(world.url('ada'), modern.body, modern.headers)).json()).toMatchObject({
      error: { code: -32602 },
    })
    const legacy = legacyRequest('tools/call', { name: 'wait' })
    expect(await (await world.post(world.url('ada'), legacy.body, legacy.headers)).json()).toMatchObject({
      error: { code: -32602 },
    })
    expect(world.links).toEqual([])
  })
})
