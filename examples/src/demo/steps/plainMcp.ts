import { createMCPClient } from '@ai-sdk/mcp'
import { MultiServerMCPClient } from '@langchain/mcp-adapters'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { ALICE } from '../people.ts'
import { check, fact, section } from '../../world/print.ts'
import type { Secrets } from '../secrets.ts'
import type { World } from '../world.ts'

/** 7. The endpoint is plain MCP: clients that have never heard of Latchkey use the same URL. */
export async function plainMcp({ latchkey }: World, secrets: Secrets): Promise<void> {
  section(7, 'It is plain MCP: the same endpoint through other clients')
  const url = secrets.keep('MCP URL', await latchkey.mcpUrl(ALICE.userIdentifier))
  fact('URL', secrets.show('MCP URL', url), 'the URL is the credential')

  const lists = {
    'the official SDK, v1': await withOfficialSdk(url),
    '@langchain/mcp-adapters': await withLangChainAdapters(url),
    '@ai-sdk/mcp': await withAiSdkMcp(url),
  }
  const [first] = Object.values(lists)
  for (const [client, names] of Object.entries(lists)) {
    check(`${client.padEnd(24)} ${names.length} tools`, names.length > 0 && names.join() === first?.join(), names)
  }
}

async function withOfficialSdk(url: string): Promise<string[]> {
  const client = new Client({ name: 'any-client', version: '1.0.0' })
  await client.connect(new StreamableHTTPClientTransport(new URL(url)))
  const { tools } = await client.listTools()
  await client.close()
  return tools.map(({ name }) => name)
}

async function withLangChainAdapters(url: string): Promise<string[]> {
  const client = new MultiServerMCPClient({ mcpServers: { latchkey: { transport: 'http', url } } })
  const tools = await client.getTools()
  await client.close()
  return tools.map(({ name }) => name)
}

async function withAiSdkMcp(url: string): Promise<string[]> {
  const client = await createMCPClient({ transport: { type: 'http', url } })
  const tools = await client.tools()
  await client.close()
  return Object.keys(tools)
}
