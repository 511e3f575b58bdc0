import { createMCPClient } from '@ai-sdk/mcp'
import { MultiServerMCPClient } from '@langchain/mcp-adapters'
import { type AgentClient, type AgentClientKind, type Door, failureOf, outcomeOf } from './agentClient.ts'

/** The MCP clients that two frameworks publish, in each of the ways in which they connect. */
export const frameworkClients: readonly AgentClientKind[] = [
  {
    name: '@langchain/mcp-adapters',
    can: { progress: true, signal: true, prompts: false, resources: true },
    connect: connectLangChain,
  },
  aiSdk('@ai-sdk/mcp', true),
  aiSdk('@ai-sdk/mcp (2025-11-25)', false),
]

async function connectLangChain({ url, headers }: Door): Promise<AgentClient> {
  const heard = new Map<string, (progress: number) => void>()
  const client = new MultiServerMCPClient({
    mcpServers: { gateway: { url, headers: { ...headers } } },
    onProgress({ progress }, source) {
      if (source.type === 'tool') heard.get(source.name)?.(progress)
    },
  })
  const tools = await client.getTools()
  return {
    list: async () => (await client.getTools()).map(({ name }) => name),
    async call(name, args = {}, { signal, onProgress } = {}) {
      const tool = tools.find((candidate) => candidate.name === name)
      if (onProgress !== undefined) heard.set(name, onProgress)
      const call = { type: 'tool_call' as const, id: 'call-1', name, args }
      const called: Promise<unknown> = tool?.invoke(call, signal && { signal }) ?? Promise.reject(new Error('no tool'))
      return called.then(messageOutcome, failureOf)
    },
    resources: {
      list: async () => ((await client.listResources())['gateway'] ?? []).map(({ uri }) => uri),
      read: async (uri) => JSON.stringify(await client.readResource('gateway', uri)),
    },
    [Symbol.asyncDispose]: () => client.close(),
  }
}

/** A message for the model: text, or blocks in which an image is a data URL. */
function messageOutcome(message: unknown) {
  const content = typeof message === 'object' && message !== null && 'content' in message ? message.content : ''
  if (typeof content === 'string') return { isError: false, text: content, images: [] }
  const written = JSON.stringify(content)
  const images = [...written.matchAll(/"(?:data:image\/\w+;base64,)?(iVBOR[\w+/=]+)"/g)].map(([, data = '']) => data)
  return { isError: false, text: outcomeOf({ content }).text, images }
}

function aiSdk(name: string, protocolVersionDiscovery: boolean): AgentClientKind {
  return {
    name,
    can: { progress: false, signal: true, prompts: true, resources: true },
    async connect({ url, headers }) {
      const client = await createMCPClient({
        transport: { type: 'http', url, headers: { ...headers } },
        protocolVersionDiscovery,
      })
      return {
        list: async () => Object.keys(await client.tools()),
        call: (tool, args = {}, { signal } = {}) =>
          client
            .callTool({ name: tool, arguments: args, ...(signal && { options: { signal } }) })
            .then(outcomeOf, failureOf),
        prompts: {
          list: async () => (await client.listPrompts()).prompts.map(({ name: prompt }) => prompt),
          get: async (prompt, args) =>
            JSON.stringify((await client.getPrompt({ name: prompt, arguments: args })).messages),
        },
        resources: {
          list: async () => (await client.listResources()).resources.map(({ uri }) => uri),
          read: async (uri) => JSON.stringify((await client.readResource({ uri })).contents),
        },
        [Symbol.asyncDispose]: () => client.close(),
      }
    },
  }
}
