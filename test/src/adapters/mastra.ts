import type { Latchkey } from '@latchkey/core'
import { createUserTools, getUserTools, requestUserTools, type UserToolsForMastra } from '@latchkey/mastra'
import { Agent } from '@mastra/core/agent'
import { MASTRA_RESOURCE_ID_KEY, RequestContext } from '@mastra/core/request-context'
import type { MockLanguageModelV4 } from 'ai/test'
import * as z from 'zod'
import type { AdapterUnderTest, AgentRun, Outcome } from '../adapterContract.ts'
import { callingAiSdkModel, forMastra, toolResultIn } from '../fixtures/agents/callingModels.ts'
import { mastraHalf } from '../fixtures/agents/mastraHalf.ts'

type AgentInput = Parameters<AdapterUnderTest['agents'][string]>[0]
type ToolResultPart = Extract<MockLanguageModelV4['doGenerateCalls'][number]['prompt'][number], { role: 'tool' }>

export const mastraAdapter: AdapterUnderTest = {
  load: async (latchkey, userIdentifier, options) => {
    const tools = await createUserTools(latchkey)(userIdentifier, options)
    return new Map(
      Object.entries(tools).map(([name, { description, inputSchema }]) => [
        name,
        {
          description,
          inputSchema: inputSchema?.['~standard'].jsonSchema.input({ target: 'draft-07' }),
          call: (args, signal) => callTool({ [name]: tools[name]! }, name, args, signal),
        },
      ]),
    )
  },
  getUserTools: async (...input) => Object.keys(await getUserTools(...input)),
  agents: {
    'Agent.generate': (input) => runAgent(input, async (agent) => (await agent.generate('go')).text),
    'Agent.stream': (input) => runAgent(input, async (agent) => await (await agent.stream('go')).text),
  },
  half: mastraHalf,
  resumedEarly: 'stops',
  shared: ({ latchkey, ...call }) => {
    const agent = agentWith(callingAiSdkModel(call), requestUserTools(latchkey))
    return async (user) => {
      const requestContext = new RequestContext([[MASTRA_RESOURCE_ID_KEY, user]])
      return (await agent.generate('go', { requestContext })).text
    }
  },
}

function agentWith(model: MockLanguageModelV4, tools: UserToolsForMastra | ReturnType<typeof requestUserTools>) {
  return new Agent({ id: 'agent', name: 'agent', instructions: 'Help.', model: forMastra(model), tools })
}

const chunkSchema = z.union([
  z.object({ type: z.literal('tool-result'), payload: z.object({ result: z.unknown() }) }),
  z.object({ type: z.literal('tool-error'), payload: z.object({ error: z.object({ cause: z.unknown() }) }) }),
])

/** By an agent, whose model calls the tool. */
async function callTool(
  tools: UserToolsForMastra,
  tool: string,
  args: Record<string, unknown>,
  abortSignal?: AbortSignal,
): Promise<Outcome> {
  const model = callingAiSdkModel({ tool, args })
  const stream = await agentWith(model, tools).stream('go', { ...(abortSignal && { abortSignal }) })
  let value: unknown
  for await (const chunk of stream.fullStream) {
    const { data } = chunkSchema.safeParse(chunk)
    if (data) value = data.type === 'tool-result' ? data.payload.result : data.payload.error.cause
  }
  abortSignal?.throwIfAborted()
  const results = model.doStreamCalls.at(-1)?.prompt.flatMap(({ role, content }) => (role === 'tool' ? content : []))
  return { ...shown(results?.[0]), value }
}

function shown(part: ToolResultPart['content'][number] | undefined): Omit<Outcome, 'value'> {
  const output = part?.type === 'tool-result' ? part.output : undefined
  if (output?.type === 'error-text') return { status: 'error', text: output.value, media: [] }
  if (output?.type === 'text') return { status: 'success', text: output.value, media: [] }
  const parts = output?.type === 'content' ? output.value : []
  const media = parts.flatMap((file) =>
    file.type === 'file' && file.data.type === 'data' && typeof file.data.data === 'string'
      ? [{ mimeType: file.mediaType, data: file.data.data }]
      : [],
  )
  const words = parts.flatMap(({ type, ...rest }) => (type === 'text' && 'text' in rest ? [rest.text] : []))
  return { status: 'success', text: words.join('\n'), media }
}

async function runAgent(
  { latchkey, userIdentifier, tool, args }: AgentInput & { latchkey: Latchkey },
  run: (agent: ReturnType<typeof agentWith>) => Promise<string>,
): Promise<AgentRun> {
  const model = callingAiSdkModel({ tool, args })
  const answer = await run(agentWith(model, await createUserTools(latchkey)(userIdentifier)))
  const calls = [...model.doGenerateCalls, ...model.doStreamCalls]
  const prompt = calls.at(-1)?.prompt ?? []
  return { offered: (calls[0]?.tools ?? []).map(({ name }) => name), toolResult: toolResultIn(prompt) ?? '', answer }
}
