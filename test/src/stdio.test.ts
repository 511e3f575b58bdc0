import { createLatchkey } from '@latchkey/core'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startGateway, type RunningGateway } from './fixtures/index.ts'

const INFO = { name: 'test-client', version: '1.0.0' }
const programOf = (name: string) => ({
  command: process.execPath,
  args: [
    '--disable-warning=ExperimentalWarning',
    fileURLToPath(new URL(`fixtures/stdio/${name}Program.ts`, import.meta.url)),
  ],
})

describe('an upstream that is a program', () => {
  let gateway: RunningGateway
  beforeAll(async () => {
    gateway = await startGateway({
      connections: {
        modern: { ...programOf('modern'), auth: { type: 'none' } },
        legacy: { ...programOf('legacy'), auth: { type: 'none' } },
      },
      configs: { modern: { modern: '*' }, legacy: { legacy: '*' }, both: { modern: '*', legacy: '*' } },
    })
  })
  afterAll(async () => await gateway.close())

  async function urlOf(config: string, user = 'ada'): Promise<URL> {
    const { url, clientId, clientSecret } = gateway
    await using latchkey = createLatchkey({ url, clientId, clientSecret, config })
    return new URL((await latchkey.ensureInstance(user)).url ?? '')
  }

  async function connectModern(config: string, user?: string) {
    const client = new Client(INFO, {
      versionNegotiation: { mode: { pin: '2026-07-28' } },
      capabilities: { elicitation: { form: {} } },
    })
    client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: { name: 'Ada' } }))
    await client.connect(new StreamableHTTPClientTransport(await urlOf(config, user)))
    return { client, [Symbol.asyncDispose]: () => client.close() }
  }

  async function connectLegacy(config: string, user?: string) {
    const client = new LegacyClient(INFO, { capabilities: { elicitation: { form: {} } } })
    client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept' as const, content: { name: 'Ada' } }))
    await client.connect(new LegacyTransport(await urlOf(config, user)))
    return { client, [Symbol.asyncDispose]: () => client.close() }
  }

  const CONNECTS = [
    ['2026-07-28', connectModern],
    ['2025-11-25', connectLegacy],
  ] as const

  describe.each(CONNECTS)('for a client of %s', (_revision, connect) => {
    it.each(['modern', 'legacy'])('lists and calls the tools of a %s one, with progress', async (config) => {
      await using connected = await connect(config)
      const { client } = connected
      const { tools } = await client.listTools()
      expect(tools.map(({ name }) => name)).toContain('whoami')
      expect(JSON.stringify(await client.callTool({ name: 'whoami', arguments: {} }))).toContain('nobody')
      const heard: unknown[] = []
      const result = await (client as Client).callTool({ name: 'talk', arguments: { label: 'one' } }, {
        onprogress: (progress: unknown) => void heard.push(progress),
      } as never)
      expect(JSON.stringify(result)).toContain('said one')
      expect(heard).toMatchObject([{ progress: 1, message: 'one' }])
    })
    it.each(['modern', 'legacy'])('asks on behalf of a %s one', async (config) => {
      await using connected = await connect(config)
      const { client } = connected
      console.log(config, JSON.stringify(await client.callTool({ name: 'ask', arguments: {} })))
    })
  })
})
