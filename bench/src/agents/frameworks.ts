import { createMCPClient } from '@ai-sdk/mcp'
import { MultiServerMCPClient } from '@langchain/mcp-adapters'
import type { Latchkey } from '@latchkey/core'
import { createUserTools as forLangChain } from '@latchkey/langchain'
import { createUserTools as forMastra } from '@latchkey/mastra'
import { createUserTools as forOpenAiAgents } from '@latchkey/openai-agents'
import {
  callingAiSdkModel,
  callingLangChainModel,
  callingOpenAiModel,
  forMastra as modelForMastra,
} from '@latchkey/test/calling-models'
import { createUserTools as forVercelAi } from '@latchkey/vercel-ai'
import { Agent as MastraAgent, type ToolsInput } from '@mastra/core/agent'
import { MCPClient } from '@mastra/mcp'
import { Agent, MCPServerStreamableHttp, run } from '@openai/agents'
import { generateText, isStepCount, type ToolSet } from 'ai'
import { createAgent, type CreateAgentParams } from 'langchain'

/** One run of an agent: gets the tools, calls one, and gives what the model says of it. */
export type AgentRun = () => Promise<string>

export interface OwnClient {
  readonly run: AgentRun
  readonly close: () => Promise<void>
}

export interface Framework {
  /** Of our adapter, as its package is called. */
  readonly adapter: string
  /** Of the framework's own client for MCP. */
  readonly client: string
  /** Shared by all users. */
  readonly adapt: (latchkey: Latchkey) => (user: string) => Promise<string>
  /** Connects to one user's endpoint. */
  readonly connect: (url: string) => Promise<OwnClient>
}

/** The tool that each run calls. It tells whose account it is. */
const TOOL = 'whoami'
const PROMPT = 'Who am I?'
const call = (tool = TOOL) => ({ tool, args: {} })

export const frameworks: readonly Framework[] = [
  {
    adapter: 'langchain',
    client: 'mcp_adapters',
    adapt: (latchkey) => {
      const userTools = forLangChain(latchkey)
      return async (user) => await runLangChain(await userTools(user))
    },
    connect: async (url) => {
      const client = new MultiServerMCPClient({ mcpServers: { user: { transport: 'http', url } } })
      return {
        run: async () => await runLangChain(await client.getTools()),
        close: async () => await client.close(),
      }
    },
  },
  {
    adapter: 'vercel_ai',
    client: 'ai_sdk_mcp',
    adapt: (latchkey) => {
      const userTools = forVercelAi(latchkey)
      return async (user) => await runAiSdk(await userTools(user))
    },
    connect: async (url) => {
      const client = await createMCPClient({ transport: { type: 'http', url } })
      return { run: async () => await runAiSdk(await client.tools()), close: async () => await client.close() }
    },
  },
  {
    adapter: 'mastra',
    client: 'mastra_mcp',
    adapt: (latchkey) => {
      const userTools = forMastra(latchkey)
      return async (user) => await runMastra(await userTools(user), TOOL)
    },
    connect: async (url) => {
      const client = new MCPClient({ id: crypto.randomUUID(), servers: { user: { url: new URL(url) } } })
      return {
        run: async () => await runMastra(await client.listTools(), `user_${TOOL}`),
        close: async () => await client.disconnect(),
      }
    },
  },
  {
    adapter: 'openai_agents',
    client: 'openai_agents_mcp',
    adapt: (latchkey) => {
      const userTools = forOpenAiAgents(latchkey)
      return async (user) => await runOpenAiAgents({ tools: await userTools(user) })
    },
    connect: async (url) => {
      const server = new MCPServerStreamableHttp({ url })
      await server.connect()
      return {
        run: async () => await runOpenAiAgents({ mcpServers: [server] }),
        close: async () => await server.close(),
      }
    },
  },
]

async function runLangChain(tools: NonNullable<CreateAgentParams['tools']>): Promise<string> {
  const agent = createAgent({ model: callingLangChainModel(call()), tools: [...tools] })
  const { messages } = await agent.invoke({ messages: [{ role: 'user', content: PROMPT }] })
  return messages.at(-1)?.text ?? ''
}

async function runAiSdk(tools: ToolSet): Promise<string> {
  const { text } = await generateText({
    model: callingAiSdkModel(call()),
    prompt: PROMPT,
    tools,
    stopWhen: isStepCount(3),
  })
  return text
}

async function runMastra(tools: ToolsInput, tool: string): Promise<string> {
  const model = modelForMastra(callingAiSdkModel(call(tool)))
  const agent = new MastraAgent({ id: 'bench', name: 'bench', instructions: 'Help.', model, tools })
  return (await agent.generate(PROMPT)).text
}

async function runOpenAiAgents(
  given: Pick<ConstructorParameters<typeof Agent>[0], 'tools' | 'mcpServers'>,
): Promise<string> {
  const agent = new Agent({ name: 'bench', model: callingOpenAiModel(call()), ...given })
  return String((await run(agent, PROMPT)).finalOutput)
}
