import { createLatchkey } from '@latchkey/core'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startConformanceServer, type ConformanceServer } from './fixtures/conformance/startConformanceServer.ts'
import { startGateway, type RunningGateway } from './fixtures/startGateway.ts'

const INFO = { name: 'test-client', version: '1.0.0' }
const CAPABILITIES = { elicitation: { form: {} }, sampling: {}, roots: {} }
const TEXT = 'test://static-text'

/** One upstream of each era; a config of each alone, and of both. */
describe('the MCP endpoint', () => {
  let modern: ConformanceServer
  let legacy: ConformanceServer
  let gateway: RunningGateway
  beforeAll(async () => {
    modern = await startConformanceServer({ era: 'modern' })
    legacy = await startConformanceServer({ era: 'legacy' })
    gateway = await startGateway({
      connections: {
        modern: { mcpServerUrl: modern.url, auth: { type: 'none' } },
        legacy: { mcpServerUrl: legacy.url, auth: { type: 'none' } },
      },
      configs: {
        modern: { modern: '*' },
        legacy: { legacy: '*' },
        both: { modern: '*', legacy: '*' },
        narrow: { modern: ['test_simple_text'], legacy: '*' },
      },
    })
  })
  afterAll(async () => {
    await gateway.close()
    await modern.close()
    await legacy.close()
  })

  async function urlOf(config: string, user = 'ada'): Promise<URL> {
    const { url, clientId, clientSecret } = gateway
    await using latchkey = createLatchkey({ url, clientId, clientSecret, config })
    return new URL((await latchkey.ensureInstance(user)).url ?? '')
  }

  async function connectModern(config: string, user?: string) {
    const client = new Client(INFO, {
      versionNegotiation: { mode: { pin: '2026-07-28' } },
      capabilities: CAPABILITIES,
    })
    client.setRequestHandler('elicitation/create', () => ({
      action: 'accept',
      content: { name: 'Ada', color: 'blue' },
    }))
    await client.connect(new StreamableHTTPClientTransport(await urlOf(config, user)))
    return { client, [Symbol.asyncDispose]: () => client.close() }
  }

  async function connectLegacy(config: string, user?: string) {
    const client = new LegacyClient(INFO, { capabilities: CAPABILITIES })
    client.setRequestHandler(ElicitRequestSchema, () => ({
      action: 'accept' as const,
      content: { response: 'yes', name: 'Ada', color: 'blue', ok: true },
    }))
    client.setRequestHandler(CreateMessageRequestSchema, () => ({
      model: 'none',
      role: 'assistant' as const,
      content: { type: 'text' as const, text: 'Paris' },
    }))
    await client.connect(new LegacyTransport(await urlOf(config, user)))
    return { client, [Symbol.asyncDispose]: () => client.close() }
  }

  async function stateOf(user: string): Promise<string> {
    await using connected = await connectModern('modern', user)
    const { client } = connected
    const request = { name: 'test_input_required_result_request_state', arguments: {} }
    const result = await client.callTool(request, { allowInputRequired: true })
    return String(result['requestState'])
  }

  /** The result as text, or the error. */
  async function sendState(user: string, name: string, requestState: string): Promise<unknown> {
    await using connected = await connectModern('modern', user)
    const params = {
      name,
      arguments: {},
      requestState,
      inputResponses: { confirm: { action: 'accept', content: { ok: true } } },
    }
    return await connected.client.request({ method: 'tools/call', params }).then(
      (result) => JSON.stringify(result),
      (error: unknown) => error,
    )
  }

  const CONNECTS = [
    ['2026-07-28', connectModern],
    ['2025-11-25', connectLegacy],
  ] as const

  describe.each(CONNECTS)('for a client of %s', (_revision, connect) => {
    it.each(['modern', 'legacy'])(
      'relays prompts, resources and completion of one %s upstream under its names',
      async (config) => {
        await using connected = await connect(config)
        const { client } = connected
        const { prompts } = await client.listPrompts()
        expect(prompts.map(({ name }) => name)).toContain('test_prompt_with_arguments')
        const prompt = await client.getPrompt({
          name: 'test_prompt_with_arguments',
          arguments: { arg1: 'a', arg2: 'b' },
        })
        expect(JSON.stringify(prompt.messages)).toContain("arg1='a', arg2='b'")
        expect((await client.listResources()).resources.map(({ uri }) => uri)).toContain(TEXT)
        const read = await client.readResource({ uri: TEXT })
        expect(read.contents).toMatchObject([{ uri: TEXT, text: 'This is the content of the static text resource.' }])
        const templates = await client.listResourceTemplates()
        expect(templates.resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual(['test://template/{id}/data'])
        const completed = await client.complete({
          ref: { type: 'ref/prompt', name: 'test_prompt_with_arguments' },
          argument: { name: 'arg1', value: 'x' },
        })
        expect(completed.completion.values).toEqual([])
      },
    )

    it('names the prompts and resources of several upstreams so that each says whose it is', async () => {
      await using connected = await connect('both')
      const { client } = connected
      const names = (await client.listPrompts()).prompts.map(({ name }) => name)
      expect(names).toContain('modern__test_simple_prompt')
      expect(names).toContain('legacy__test_simple_prompt')
      const prompt = await client.getPrompt({
        name: 'legacy__test_prompt_with_embedded_resource',
        arguments: { resourceUri: TEXT },
      })
      expect(JSON.stringify(prompt.messages)).toContain(`"uri":"latchkey:legacy:${TEXT}"`)
      const uris = (await client.listResources()).resources.map(({ uri }) => uri)
      expect(uris).toContain(`latchkey:modern:${TEXT}`)
      for (const name of ['modern', 'legacy']) {
        const uri = `latchkey:${name}:${TEXT}`
        expect((await client.readResource({ uri })).contents).toMatchObject([{ uri }])
      }
      const embedded = await client.callTool({ name: 'legacy__test_embedded_resource' })
      expect(JSON.stringify(embedded.content)).toContain('"uri":"latchkey:legacy:test://embedded-resource"')
    })

    it('T50: has no prompts and resources where the config allows only some tools of a connection', async () => {
      await using connected = await connect('narrow')
      const { client } = connected
      const names = (await client.listPrompts()).prompts.map(({ name }) => name)
      expect(names.filter((name) => name.startsWith('modern__'))).toEqual([])
      expect(names.filter((name) => name.startsWith('legacy__'))).not.toEqual([])
      await expect(client.getPrompt({ name: 'modern__test_simple_prompt' })).rejects.toThrow('Unknown prompt')
      await expect(client.readResource({ uri: `latchkey:modern:${TEXT}` })).rejects.toThrow('Resource not found')
      await expect(client.readResource({ uri: TEXT })).rejects.toThrow('Resource not found')
    })
  })

  it('asks a client of 2025-11-25 what an upstream of its era wants to know, and takes the answer back', async () => {
    await using connected = await connectLegacy('legacy')
    const elicited = await connected.client.callTool({ name: 'test_elicitation', arguments: { message: 'Well?' } })
    expect(JSON.stringify(elicited.content)).toContain('action=accept')
    const sampled = await connected.client.callTool({ name: 'test_sampling', arguments: { prompt: 'Capital?' } })
    expect(sampled.content).toEqual([{ type: 'text', text: 'LLM response: Paris' }])
  })

  it('asks a client of 2025-11-25 what an upstream of 2026-07-28 wants to know, round by round', async () => {
    await using connected = await connectLegacy('modern')
    const result = await connected.client.callTool({ name: 'test_input_required_result_multi_round' })
    expect(result.content).toEqual([{ type: 'text', text: 'Multi-round complete: Ada likes blue' }])
    const sampled = await connected.client.callTool({ name: 'test_input_required_result_sampling' })
    expect(sampled.content).toEqual([{ type: 'text', text: 'Sampling response: Paris' }])
  })

  it('lets an upstream of 2025-11-25 know that a client of 2026-07-28 cannot be asked in its way', async () => {
    await using connected = await connectModern('legacy')
    const result = await connected.client.callTool({ name: 'test_elicitation', arguments: { message: 'Well?' } })
    expect(JSON.stringify(result.content)).toContain('not supported')
  })

  it('tells a listening client of 2026-07-28 that an upstream has changed its list, and lists anew', async () => {
    await using connected = await connectModern('modern')
    const { client } = connected
    await client.listTools()
    const told = Promise.withResolvers<void>()
    client.setNotificationHandler('notifications/tools/list_changed', () => told.resolve())
    await client.listen({ toolsListChanged: true })
    await client.callTool({ name: 'test_trigger_tool_change' })
    await expect(told.promise).resolves.toBeUndefined()
  })

  it('tells a client of 2025-11-25 on its stream that an upstream has changed its list', async () => {
    await using connected = await connectLegacy('modern')
    const { client } = connected
    const told = Promise.withResolvers<void>()
    client.setNotificationHandler(ToolListChangedNotificationSchema, () => told.resolve())
    // The stream is opened after the handshake, without anybody waiting for it: so it is triggered until it is heard.
    const trigger = () => client.callTool({ name: 'test_trigger_tool_change' })
    // One may still be under way when the client closes.
    const timer = setInterval(() => void trigger().catch(() => undefined), 50)
    await expect(told.promise).resolves.toBeUndefined()
    clearInterval(timer)
  })

  it('T15: refuses the request state of another user, of another request, or changed, and asks no upstream', async () => {
    const mine = await stateOf('ada')
    const name = 'test_input_required_result_request_state'
    const refusal = { code: -32_602, data: { reason: 'invalid_request_state' } }
    expect(await sendState('ada', name, mine)).toContain('state-ok')
    expect(await sendState('bob', name, mine)).toMatchObject(refusal)
    expect(await sendState('ada', 'test_input_required_result_tampered_state', mine)).toMatchObject(refusal)
    const flipped = `${mine.slice(0, -3)}${mine.at(-3) === 'A' ? 'B' : 'A'}${mine.slice(-2)}`
    expect(await sendState('ada', name, flipped)).toMatchObject(refusal)
  })
})
