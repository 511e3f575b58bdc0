import { createMCPClient } from '@ai-sdk/mcp'
import { MultiServerMCPClient } from '@langchain/mcp-adapters'
import { createLatchkey, type Latchkey, type McpFileClient } from '@latchkey/core'
import { MCPClient } from '@mastra/mcp'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { MCPServerStreamableHttp } from '@openai/agents'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inspectorEntry } from './clients/inspectorClient.ts'
import {
  canaryOf,
  consentAs,
  type DirectoryServer,
  startDirectoryServer,
  startGateway,
  temporaryFolder,
} from './fixtures/index.ts'

const HOUR_MS = 3_600_000

interface Guest extends AsyncDisposable {
  list(): Promise<readonly string[]>
  /** What `whoami` answers. */
  whoami(): Promise<unknown>
}

/** The libraries, each made with what `mcpServer` gives and nothing else. */
const LIBRARIES: Record<string, (latchkey: Latchkey, user: string) => Promise<Guest>> = {
  async langchain(latchkey, user) {
    const client = new MultiServerMCPClient(await latchkey.mcpServer(user, 'langchain'))
    const tools = await client.getTools()
    return {
      list: async () => tools.map(({ name }) => name),
      whoami: async () => await tools.find(({ name }) => name === 'whoami')?.invoke({}),
      [Symbol.asyncDispose]: () => client.close(),
    }
  },
  async 'ai-sdk'(latchkey, user) {
    const client = await createMCPClient(await latchkey.mcpServer(user, 'ai-sdk'))
    return {
      list: async () => Object.keys(await client.tools()),
      whoami: () => client.callTool({ name: 'whoami', arguments: {} }),
      [Symbol.asyncDispose]: () => client.close(),
    }
  },
  async mastra(latchkey, user) {
    const client = new MCPClient(await latchkey.mcpServer(user, 'mastra', { name: 'user' }))
    return {
      list: async () => Object.keys((await client.listToolsets())['user'] ?? {}),
      whoami: async () => await (await client.listToolsets())['user']?.['whoami']?.execute?.({}, CONTEXT),
      [Symbol.asyncDispose]: () => client.disconnect(),
    }
  },
  async 'openai-agents'(latchkey, user) {
    const server = new MCPServerStreamableHttp(await latchkey.mcpServer(user, 'openai-agents'))
    await server.connect()
    return {
      list: async () => (await server.listTools()).map(({ name }) => name),
      whoami: () => server.callTool('whoami', {}),
      [Symbol.asyncDispose]: () => server.close(),
    }
  },
}

/** Mastra gives this to a tool, and the tools of its MCP client need none of it. */
const CONTEXT = {
  observe: { span: <T>(_name: string, run: () => Promise<T> | T) => Promise.resolve(run()), log: () => {} },
}

describe('mcpServer', () => {
  let directory: DirectoryServer
  let latchkey: Latchkey
  let now = Date.now()
  const stack = new AsyncDisposableStack()
  beforeAll(async () => {
    directory = stack.use(await startDirectoryServer())
    const { url, clientId, clientSecret } = stack.use(
      await startGateway({
        connections: { people: { mcpServerUrl: directory.url, auth: { type: 'api_key', header: directory.header } } },
        configs: { reader: { people: ['whoami', 'find_person'] } },
        clock: () => now,
      }),
    )
    latchkey = stack.use(createLatchkey({ url, clientId, clientSecret, config: 'reader' }))
    for (const user of ['ann', 'bob']) {
      const { id } = await latchkey.ensureInstance(user)
      const [state] = await latchkey.getAuthState(id, { includeAuthLinks: true })
      await consentAs(user, state?.authenticationLink ?? '', { apiKey: directory.keys.issue(user) })
    }
  })
  afterAll(async () => await stack.disposeAsync())

  describe.each(Object.entries(LIBRARIES))('for %s', (name, connect) => {
    it('gives what its MCP client takes, to each user their own', async () => {
      await using ann = await connect(latchkey, 'ann')
      await using bob = await connect(latchkey, 'bob')
      expect((await ann.list()).toSorted()).toEqual(['find_person', 'whoami'])
      for (const [user, guest] of [
        ['ann', ann],
        ['bob', bob],
      ] as const) {
        const said = JSON.stringify(await guest.whoami())
        expect(said).toContain(canaryOf('directory', user))
      }
    })

    it.runIf(name !== 'langchain')('renews the session token, which nobody sees', async () => {
      await using ann = await connect(latchkey, 'ann')
      await ann.whoami()
      now += 25 * HOUR_MS
      expect(JSON.stringify(await ann.whoami())).toContain(canaryOf('directory', 'ann'))
    })
  })

  it('shows no secret where the client takes a `fetch`', async () => {
    const endpoint = await latchkey.ready('ann')
    const [, token = ''] = ((await endpoint.headers())['authorization'] ?? '').split(' ')
    for (const client of ['ai-sdk', 'mastra', 'openai-agents'] as const) {
      const form = await latchkey.mcpServer('ann', client)
      expect(inspect(form, { depth: 9, showHidden: true }) + JSON.stringify(form)).not.toContain(token)
    }
    expect(JSON.stringify(await latchkey.mcpServer('ann', 'langchain'))).toContain(token)
  })

  it('sends the session token to no other URL', async () => {
    const { transport } = await latchkey.mcpServer('ann', 'ai-sdk')
    await expect(transport.fetch(new URL('/elsewhere', transport.url))).rejects.toThrow('to another URL')
    await expect(transport.fetch('http://127.0.0.1:9/mcp')).rejects.toThrow('to another URL')
  })

  it('narrows the tools where there is a session token', async () => {
    const client = await createMCPClient(await latchkey.mcpServer('ann', 'ai-sdk', { tools: ['whoami'] }))
    expect(Object.keys(await client.tools())).toEqual(['whoami'])
    await client.close()
  })

  it('gives the file that the MCP Inspector reads', async () => {
    await using folder = await temporaryFolder()
    const file = join(folder.path, 'mcp.json')
    await writeFile(file, JSON.stringify(await latchkey.mcpServer('ann', 'inspector', { name: 'mine' })))
    const call = ['--method', 'tools/call', '--tool-name', 'whoami', '--format', 'json']
    const args = [inspectorEntry(), '--cli', '--config', file, '--server', 'mine', '--stored-auth-only', ...call]
    const env = { PATH: process.env['PATH'], HOME: folder.path }
    const child = spawn(process.execPath, args, { env, cwd: folder.path, stdio: ['ignore', 'pipe', 'pipe'] })
    const [output, said] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
    expect(output + said).toContain(canaryOf('directory', 'ann'))
  })

  it.each([
    ['claude', (url: string) => ({ mcpServers: { mine: { type: 'http', url } } })],
    ['vscode', (url: string) => ({ servers: { mine: { type: 'http', url } } })],
    ['cursor', (url: string) => ({ mcpServers: { mine: { url } } })],
    ['windsurf', (url: string) => ({ mcpServers: { mine: { serverUrl: url } } })],
  ] satisfies [McpFileClient, (url: string) => unknown][])(
    'gives the file of %s, with the URL that works alone',
    async (client, form) => {
      const url = await latchkey.mcpUrl('bob')
      expect(await latchkey.mcpServer('bob', client, { name: 'mine' })).toEqual(form(url))
      const guest = new Client({ name: 'guest', version: '1.0.0' })
      await guest.connect(new StreamableHTTPClientTransport(new URL(url)))
      expect(JSON.stringify(await guest.callTool({ name: 'whoami', arguments: {} }))).toContain(
        canaryOf('directory', 'bob'),
      )
      await guest.close()
    },
  )

  it('calls the server by the name of the config', async () => {
    expect(Object.keys((await latchkey.mcpServer('ann', 'vscode')).servers)).toEqual(['reader'])
  })

  it("refuses a client that it does not know as a caller's mistake", async () => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a caller without types
    const made = latchkey.mcpServer('ann', 'toString' as 'claude')
    await expect(made).rejects.toThrow(TypeError)
  })
})
