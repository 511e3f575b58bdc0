import { MemorySaver } from '@langchain/langgraph'
import { ConnectionState, LatchkeyError, type UserTool } from '@latchkey/core'
import {
  createUserTools as createLangChainTools,
  getUserTools as getLangChainTools,
  userToolsMiddleware,
} from '@latchkey/langchain'
import { createUserTools as createAiSdkTools, getUserTools as getAiSdkTools } from '@latchkey/vercel-ai'
import { generateText, isStepCount, ToolLoopAgent, type ToolSet } from 'ai'
import type { MockLanguageModelV4 } from 'ai/test'
import { AIMessage, createAgent, createMiddleware, fakeModel, ToolMessage, type AgentMiddleware } from 'langchain'
import { describe, expect, it } from 'vitest'
import * as z from 'zod'

import { mastraAdapter } from './adapters/mastra.ts'
import { openAiAgentsAdapter } from './adapters/openAiAgents.ts'
import { describeAdapter, type AdapterUnderTest, type AgentRun, type Outcome } from './adapterContract.ts'
import { aiSdkHalf } from './fixtures/agents/aiSdkHalf.ts'
import { callingAiSdkModel, callingLangChainModel, toolResultIn } from './fixtures/agents/callingModels.ts'
import { langChainHalf } from './fixtures/agents/langChainHalf.ts'

type AgentInput = Parameters<AdapterUnderTest['agents'][string]>[0]

describeAdapter('@latchkey/langchain', {
  load: async (latchkey, userIdentifier, options) => {
    const tools = await createLangChainTools(latchkey)(userIdentifier, options)
    return new Map(
      tools.map((tool) => [
        tool.name,
        {
          description: tool.description,
          inputSchema: tool.schema,
          call: async (args, signal) =>
            langChainOutcome(
              await tool.invoke({ type: 'tool_call', id: 'call-1', name: tool.name, args }, signal && { signal }),
            ),
        },
      ]),
    )
  },
  getUserTools: async (...input) => (await getLangChainTools(...input)).map(({ name }) => name),
  agents: {
    createAgent: (input) => runLangChainAgent(input, []),
    // Such middleware makes a thrown error fatal to the run.
    'createAgent with wrapToolCall middleware': (input) =>
      runLangChainAgent(input, [
        createMiddleware({ name: 'passing', wrapToolCall: (request, handler) => handler(request) }),
      ]),
  },
  half: langChainHalf,
  resumedEarly: 'stops',
  shared: ({ latchkey, runs, ...call }) => {
    const agent = createAgent({
      model: callingLangChainModel(call, runs),
      tools: [],
      contextSchema: z.object({ userId: z.string() }),
      middleware: [createMiddleware(userToolsMiddleware(latchkey))],
    })
    const input = { messages: [{ role: 'user' as const, content: 'go' }] }
    return async (userId) => (await agent.invoke(input, { context: { userId } })).messages.at(-1)?.text ?? ''
  },
})

describe('a LangChain run that a checkpointer keeps', () => {
  it('holds no link when consent was needed, and names the connection', async () => {
    const link = 'https://consent.test/secret-link'
    const pending = { connectionId: 'conn_1', connectionName: 'mail', status: 'EXPIRED', authenticationLink: link }
    const consent: UserTool = {
      name: 'consent',
      mcpName: 'consent',
      title: undefined,
      description: 'Needs consent',
      inputSchema: { type: 'object' },
      outputSchema: undefined,
      annotations: undefined,
      call: async () => {
        const connections = [new ConnectionState(pending)]
        throw new LatchkeyError('authorization_required', 'mail has to be authorized', { connections })
      },
    }
    const report = { renamed: [], dropped: [], unavailable: [] }
    const tools = await createLangChainTools({ userTools: async () => ({ tools: [consent], report, missing: [] }) })(
      'ann',
    )
    const model = fakeModel()
      .respondWithTools([{ name: 'consent', args: {} }])
      .respond(new AIMessage('done'))
    const checkpointer = new MemorySaver()
    await createAgent({ model, tools, checkpointer }).invoke(
      { messages: [{ role: 'user', content: 'go' }] },
      { configurable: { thread_id: 'thread' } },
    )
    const kept = textIn([checkpointer.storage, checkpointer.writes])
    expect(kept).toContain('mail has to be authorized')
    expect(kept).not.toContain('secret-link')
  })
})

/** Every byte and word in there. */
function textIn(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString()
  return typeof value === 'object' && value !== null ? Object.values(value).map(textIn).join('\n') : String(value)
}

function langChainOutcome(message: ToolMessage): Outcome {
  const media = message.contentBlocks.flatMap((block) =>
    'mimeType' in block && 'data' in block ? [{ mimeType: String(block.mimeType), data: String(block.data) }] : [],
  )
  const { status = 'success', text, artifact: value } = message
  return { status, text: text, media, value }
}

async function runLangChainAgent(
  { latchkey, userIdentifier, tool, args }: AgentInput,
  middleware: AgentMiddleware[],
): Promise<AgentRun> {
  const tools = await createLangChainTools(latchkey)(userIdentifier)
  const model = fakeModel()
    .respondWithTools([{ name: tool, args }])
    .respond((messages) => new AIMessage(`It says: ${messages.at(-1)?.text ?? ''}`))
  const { messages } = await createAgent({ model, tools, middleware }).invoke({
    messages: [{ role: 'user', content: 'go' }],
  })
  const toolMessage = messages.find((message) => ToolMessage.isInstance(message))
  return {
    offered: tools.map(({ name }) => name),
    toolResult: JSON.stringify(toolMessage?.content),
    answer: messages.at(-1)?.text ?? '',
  }
}

describeAdapter('@latchkey/vercel-ai', {
  load: async (latchkey, userIdentifier, options) => {
    const tools = await createAiSdkTools(latchkey)(userIdentifier, options)
    return new Map(
      Object.entries(tools).map(([name, tool]) => [
        name,
        {
          description: typeof tool.description === 'string' ? tool.description : '',
          inputSchema: 'jsonSchema' in tool.inputSchema ? tool.inputSchema.jsonSchema : undefined,
          call: (args, signal) => aiSdkOutcome(tool, args, signal),
        },
      ]),
    )
  },
  getUserTools: async (...input) => Object.keys(await getAiSdkTools(...input)),
  agents: {
    generateText: (input) =>
      runAiSdk(input, ({ model, tools }) =>
        generateText({ model, tools, prompt: 'go', stopWhen: isStepCount(5) }).then(({ text }) => text),
      ),
    ToolLoopAgent: (input) =>
      runAiSdk(input, ({ model, tools }) =>
        new ToolLoopAgent({ model, tools }).generate({ prompt: 'go' }).then(({ text }) => text),
      ),
  },
  half: aiSdkHalf,
  resumedEarly: 'goes on',
  shared: ({ latchkey, ...call }) => {
    const userTools = createAiSdkTools(latchkey)
    const agent = new ToolLoopAgent({
      model: callingAiSdkModel(call),
      callOptionsSchema: z.object({ userId: z.string() }),
      prepareCall: async ({ options, ...rest }) => ({ ...rest, tools: await userTools(options.userId) }),
    })
    return async (userId) => (await agent.generate({ prompt: 'go', options: { userId } })).text
  },
})

describeAdapter('@latchkey/mastra', mastraAdapter)
describeAdapter('@latchkey/openai-agents', openAiAgentsAdapter)

/** What `generateText` does with a tool call. */
async function aiSdkOutcome(tool: ToolSet[string], args: object, abortSignal?: AbortSignal): Promise<Outcome> {
  const options = { toolCallId: 'call-1', messages: [], context: undefined, ...(abortSignal && { abortSignal }) }
  try {
    const value: unknown = await tool.execute?.(args, options)
    const output = await tool.toModelOutput?.({ toolCallId: 'call-1', input: args, output: value })
    const parts = output?.type === 'content' ? output.value : []
    const words = parts.flatMap((part) => (part.type === 'text' ? [part.text] : []))
    const media = parts.flatMap((part) =>
      part.type === 'file' && part.data.type === 'data' && typeof part.data.data === 'string'
        ? [{ mimeType: part.mediaType, data: part.data.data }]
        : [],
    )
    return { status: 'success', text: output?.type === 'text' ? output.value : words.join('\n'), media, value }
  } catch (error) {
    if (abortSignal?.aborted === true) throw error
    return { status: 'error', text: error instanceof Error ? error.message : '', media: [], value: error }
  }
}

async function runAiSdk(
  { latchkey, userIdentifier, tool, args }: AgentInput,
  run: (input: { model: MockLanguageModelV4; tools: ToolSet }) => Promise<string>,
): Promise<AgentRun> {
  const tools = await createAiSdkTools(latchkey)(userIdentifier)
  const model = callingAiSdkModel({ tool, args })
  const answer = await run({ model, tools })
  const [first, last] = [model.doGenerateCalls[0], model.doGenerateCalls.at(-1)]
  return {
    offered: (first?.tools ?? []).map(({ name }) => name),
    toolResult: (last && toolResultIn(last.prompt)) ?? '',
    answer,
  }
}
