import { createLatchkey } from '@latchkey/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AgentClient, AgentClientKind, Door, DoorKind } from './clients/agentClient.ts'
import { frameworkClients } from './clients/frameworkClients.ts'
import { inspectorClients } from './clients/inspectorClient.ts'
import { officialClients } from './clients/officialClients.ts'
import { IMAGE } from './fixtures/conformance/samples.ts'
import { startConformanceServer, type ConformanceServer } from './fixtures/conformance/startConformanceServer.ts'
import { startGateway, type RunningGateway } from './fixtures/startGateway.ts'

const ERAS = ['modern', 'legacy'] as const
const DOORS: readonly DoorKind[] = ['url', 'token']
const CLIENTS: readonly AgentClientKind[] = [...officialClients, ...frameworkClients, ...inspectorClients]

/** Clients as they are published, each against an upstream of each era: by URL, and by session token. */
describe('the MCP endpoint', () => {
  let upstreams: Readonly<Record<(typeof ERAS)[number], ConformanceServer>>
  let gateway: RunningGateway
  beforeAll(async () => {
    upstreams = {
      modern: await startConformanceServer({ era: 'modern' }),
      legacy: await startConformanceServer({ era: 'legacy' }),
    }
    gateway = await startGateway({
      connections: {
        modern: { mcpServerUrl: upstreams.modern.url, auth: { type: 'none' } },
        legacy: { mcpServerUrl: upstreams.legacy.url, auth: { type: 'none' } },
      },
      configs: { modern: { modern: '*' }, legacy: { legacy: '*' }, both: { modern: '*', legacy: '*' } },
    })
  })
  afterAll(async () => {
    await gateway.close()
    await upstreams.modern.close()
    await upstreams.legacy.close()
  })

  async function doorOf(kind: DoorKind, config: string, user = 'ada'): Promise<Door> {
    const { url, clientId, clientSecret } = gateway
    await using latchkey = createLatchkey({ url, clientId, clientSecret, config })
    if (kind === 'url') return { url: await latchkey.mcpUrl(user), headers: {} }
    const endpoint = await latchkey.ready(user)
    return { url: endpoint.url, headers: await endpoint.headers() }
  }

  describe.each(CLIENTS.map((client) => [client.name, client] as const))(
    'with %s',
    (_name, { can, doors = DOORS, connect }) => {
      describe.each(ERAS)('and an upstream of the %s era', (era) => {
        it.each(doors)('lists and calls tools, and gives errors and images, by its %s', async (kind) => {
          await using agent = await connect(await doorOf(kind, era))
          expect(await agent.list()).toEqual(expect.arrayContaining(['test_simple_text', 'test_image_content']))
          const simple = 'This is a simple text response for testing.'
          expect(await agent.call('test_simple_text')).toEqual({ isError: false, text: simple, images: [] })
          expect(await agent.call('test_x_mcp_header', { region: 'eu' })).toMatchObject({ text: 'region=eu' })
          expect(await agent.call('test_image_content')).toMatchObject({ isError: false, images: [IMAGE] })
          const failed = await agent.call('test_error_handling')
          expect(failed.isError).toBe(true)
          expect(failed.text).toContain('This tool intentionally returns an error for testing')
        })

        it.runIf(can.prompts)('lists and gets prompts, and gives errors', async () => {
          await using agent = await connect(await doorOf(doors[0]!, era))
          const { prompts } = agent
          expect(await prompts?.list()).toContain('test_prompt_with_arguments')
          const text = await prompts?.get('test_prompt_with_arguments', { arg1: 'one', arg2: 'two' })
          expect(text).toContain("Prompt with arguments: arg1='one', arg2='two'")
          await expect(prompts?.get('no_such_prompt', { arg1: 'one' })).rejects.toThrow('no_such_prompt')
        })

        it.runIf(can.resources)('lists and reads resources, and gives errors', async () => {
          await using agent = await connect(await doorOf(doors[0]!, era))
          const { resources } = agent
          expect(await resources?.list()).toContain('test://static-text')
          expect(await resources?.read('test://static-text')).toContain('content of the static text resource')
          await expect(resources?.read('test://no-such-thing')).rejects.toThrow(/test:|not found/i)
        })

        it.runIf(can.progress)('tells the progress of a call', async () => {
          await using agent = await connect(await doorOf('url', era))
          const heard: number[] = []
          const outcome = await agent.call('test_tool_with_progress', {}, { onProgress: (step) => heard.push(step) })
          expect(outcome.isError).toBe(false)
          expect(heard).toEqual([0, 50, 100])
        })

        it.runIf(can.signal)('ends a call upstream when the client gives it up', async () => {
          await using agent = await connect(await doorOf('url', era))
          const abort = new AbortController()
          const calling = agent.call('test_waiting', {}, { signal: abort.signal })
          const call = await upstreams[era].waiting.next()
          abort.abort()
          await call.cancelled
          expect((await calling).isError).toBe(true)
        })
      })
    },
  )

  it('serves all of them at once on one config, before upstreams of both eras', async () => {
    const clients = [...officialClients, ...frameworkClients, ...inspectorClients.slice(0, 1)]
    await Promise.all(
      clients.map(async ({ connect }, index) => {
        await using agent = await connect(await doorOf(DOORS[index % 2]!, 'both', `user-${index % 3}`))
        const label = `client-${index}`
        expect(await askBoth(agent, label)).toEqual([
          `region=${label} modern__test_x_mcp_header`,
          `region=${label} legacy__test_x_mcp_header`,
          'true',
        ])
      }),
    )
  })
})

/**
 * What each upstream answers to a text of this agent's own, both asked at once. Listed first: a client of 2026-07-28
 * reads in a tool's schema which of its arguments a header has to repeat.
 */
async function askBoth(agent: AgentClient, label: string): Promise<readonly string[]> {
  const tools = ERAS.map((era) => `${era}__test_x_mcp_header`)
  const names = await agent.list()
  const answers = tools.map(async (tool) => (await agent.call(tool, { region: `${label} ${tool}` })).text)
  return [...(await Promise.all(answers)), String(tools.every((tool) => names.includes(tool)))]
}
