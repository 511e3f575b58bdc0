import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { ElicitRequestSchema, type ElicitRequest } from '@modelcontextprotocol/sdk/types.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectLegacy, connectModern } from './support/clients.ts'
import {
  jsonResponse,
  startLegacyUpstream,
  startModernUpstream,
  startScriptedUpstream,
  type TestUpstream,
} from './support/upstreams.ts'
import { createWorld, type World } from './support/world.ts'

const clients = { '2026-07-28': connectModern, '2025-11-25': connectLegacy }
const upstreams = {
  '2026-07-28': () => startModernUpstream('reject'),
  '2026-07-28 and 2025': () => startModernUpstream('stateless'),
  '2025-11-25 with sessions': startLegacyUpstream,
}

describe.each(Object.entries(upstreams))('createMcpEndpoint with an upstream of %s', (_era, start) => {
  let upstream: TestUpstream
  let world: World

  beforeAll(async () => {
    upstream = await start()
    world = await createWorld({ connections: { mail: upstream.url } })
  })
  afterAll(async () => {
    await world[Symbol.asyncDispose]()
    await upstream[Symbol.asyncDispose]()
  })

  describe.each(Object.entries(clients))('and a client of %s', (_clientEra, connect) => {
    it('lists the tools as the upstream describes them', async () => {
      const client = await connect(world.url('ada'))
      const { tools } = await client.listTools()
      expect(tools.map(({ name }) => name)).toEqual(['echo', 'wait', 'steps'])
      expect(tools[0]).toMatchObject({ description: 'Says it again', outputSchema: { type: 'object' } })
      await client.close()
    })

    it('relays calls and their structured results, many at once', async () => {
      const client = await connect(world.url('ada'))
      await client.listTools()
      const texts = Array.from({ length: 20 }, (_, index) => `text ${index}`)
      const results = await Promise.all(texts.map((text) => client.callTool({ name: 'echo', arguments: { text } })))
      expect(results.map((result) => result['structuredContent'])).toEqual(texts.map((echoed) => ({ echoed })))
      await client.close()
    })

    it('streams progress to the one client whose call it is', async () => {
      const users = ['ada', 'ada', 'grace']
      const got = await Promise.all(
        users.map(async (user, index) => {
          const client = await connect(world.url(user))
          const label = `${user} ${index}`
          const heard: string[] = []
          const onprogress = ({ message }: { message?: string | undefined }): void => void heard.push(message ?? '')
          const params = { name: 'steps', arguments: { label } }
          const result = await client.callTool(params, { onprogress })
          await client.close()
          return { label, heard, content: result['content'] }
        }),
      )
      for (const { label, heard, content } of got) {
        expect(heard).toEqual([`${label} 1`, `${label} 2`, `${label} 3`])
        expect(content).toEqual([{ type: 'text', text: label }])
      }
    })
  })
})

describe('createMcpEndpoint', () => {
  it('serves clients and upstreams of both eras on one endpoint at the same time', async () => {
    await using modern = await startModernUpstream('reject')
    await using legacy = await startLegacyUpstream()
    await using world = await createWorld({ connections: { new: modern.url, old: legacy.url } })
    const open = await Promise.all([connectModern(world.url('ada')), connectLegacy(world.url('ada'))])
    const names = ['new__echo', 'old__echo']
    const calls = open.flatMap((client, index) =>
      names.map(async (name) => {
        const text = `${name} ${index}`
        expect((await client.listTools()).tools.map((tool) => tool.name)).toEqual(
          ['new', 'old'].flatMap((prefix) => ['echo', 'wait', 'steps'].map((tool) => `${prefix}__${tool}`)),
        )
        expect(await client.callTool({ name, arguments: { text } })).toMatchObject({
          structuredContent: { echoed: text },
        })
      }),
    )
    await Promise.all(calls)
    await Promise.all(open.map((client) => client.close()))
  })

  it('makes one session for an account, however many calls come first', async () => {
    await using legacy = await startLegacyUpstream()
    await using world = await createWorld({ connections: { mail: legacy.url } })
    const client = await connectModern(world.url('ada'))
    await Promise.all(Array.from({ length: 10 }, () => client.callTool({ name: 'echo', arguments: { text: 'x' } })))
    expect(legacy.seen.filter(({ body }) => body.includes('"initialize"'))).toHaveLength(1)
    await client.close()
  })

  it('makes a new session once and sends the call once more when the upstream forgot the old one', async () => {
    await using legacy = await startLegacyUpstream()
    await using world = await createWorld({ connections: { mail: legacy.url } })
    const client = await connectModern(world.url('ada'))
    await client.callTool({ name: 'echo', arguments: { text: 'before' } })
    legacy.forgetSessions()
    const results = await Promise.all(
      ['a', 'b', 'c'].map((text) => client.callTool({ name: 'echo', arguments: { text } })),
    )
    expect(results.map((result) => result['structuredContent'])).toEqual(['a', 'b', 'c'].map((echoed) => ({ echoed })))
    expect(legacy.executed).toHaveLength(4)
    expect(legacy.seen.filter(({ body }) => body.includes('"initialize"'))).toHaveLength(2)
    await client.close()
  })

  it('shares no upstream session between users', async () => {
    await using legacy = await startLegacyUpstream()
    await using world = await createWorld({ connections: { mail: legacy.url } })
    for (const user of ['ada', 'grace']) {
      const client = await connectModern(world.url(user))
      await client.callTool({ name: 'echo', arguments: { text: user } })
      await client.close()
    }
    const calls = legacy.seen.filter(({ body }) => body.includes('"tools/call"'))
    const sessions = calls.map(({ headers }) => headers['mcp-session-id'])
    expect(new Set(sessions).size).toBe(2)
    expect(calls.map(({ headers }) => headers['authorization'])).toEqual(
      ['ada', 'grace'].map((user) => `Bearer upstream-${world.account(user, 'mail').id}-1`),
    )
  })
})

/** An upstream of 2026-07-28 that asks these things once, and then says what it was answered. */
const startAsking = (questions: Readonly<Record<string, object>>) =>
  startScriptedUpstream('[]', (body) => {
    const { id, params } = JSON.parse(body)
    const inputRequests = Object.fromEntries(
      Object.entries(questions).map(([key, asked]) => [key, { method: 'elicitation/create', params: asked }]),
    )
    const result =
      params.inputResponses === undefined
        ? { resultType: 'input_required', inputRequests }
        : { resultType: 'complete', content: [{ type: 'text', text: JSON.stringify(params.inputResponses) }] }
    return jsonResponse({ jsonrpc: '2.0', id, result })
  })

describe('createMcpEndpoint, when an upstream of 2026-07-28 sends the user of a client of 2025-11-25 to a URL', () => {
  // Regression: the 2025 era requires what the other one does not have, so that its clients took the question for broken.
  it('gives each such question an elicitationId of its own, and leaves one that it has and other questions as they are', async () => {
    const url = { mode: 'url', message: 'Pay', url: 'https://pay.example/' }
    const withId = { ...url, elicitationId: 'of the upstream' }
    const form = { mode: 'form', message: 'How much?', requestedSchema: { type: 'object', properties: {} } }
    await using upstream = await startAsking({ first: url, second: url, withId, form })
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const client = new Client({ name: 'x', version: '1' }, { capabilities: { elicitation: { url: {}, form: {} } } })
    const asked: ElicitRequest['params'][] = []
    client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
      asked.push(params)
      return { action: 'accept' }
    })
    await client.connect(new StreamableHTTPClientTransport(new URL(world.url('ada'))))
    const { content } = await client.callTool({ name: 'one', arguments: {} })
    const accepted = { action: 'accept' }
    const text = JSON.stringify({ first: accepted, second: accepted, withId: accepted, form: accepted })
    expect(content).toEqual([{ type: 'text', text }])
    expect(asked).toEqual([
      { ...url, elicitationId: expect.any(String) },
      { ...url, elicitationId: expect.any(String) },
      withId,
      form,
    ])
    expect(new Set(asked.map((params) => 'elicitationId' in params && params.elicitationId)).size).toBe(4)
    await client.close()
  })
})
