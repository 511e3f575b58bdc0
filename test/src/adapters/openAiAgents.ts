import {
  createUserTools,
  getUserTools,
  toolOutcome,
  withUserTools,
  type UserToolForOpenAiAgents,
} from '@latchkey/openai-agents'
import { Agent, run, type AgentInputItem } from '@openai/agents'
import type { AdapterUnderTest, AgentRun, Outcome } from '../adapterContract.ts'
import { callingOpenAiModel, functionResultIn } from '../fixtures/agents/callingModels.ts'
import { openAiAgentsHalf } from '../fixtures/agents/openAiAgentsHalf.ts'

type AgentInput = Parameters<AdapterUnderTest['agents'][string]>[0]

export const openAiAgentsAdapter: AdapterUnderTest = {
  load: async (latchkey, userIdentifier, options) => {
    const tools = await createUserTools(latchkey)(userIdentifier, options)
    return new Map(
      tools.map((tool) => [
        tool.name,
        {
          description: tool.description,
          inputSchema: tool.parameters,
          call: (args, signal) => callTool(tool, args, signal),
        },
      ]),
    )
  },
  getUserTools: async (...input) => (await getUserTools(...input)).map(({ name }) => name),
  agents: {
    run: (input) => runAgent(input, async (agent) => String((await run(agent, 'go')).finalOutput)),
    'run, streamed': (input) =>
      runAgent(input, async (agent) => {
        const stream = await run(agent, 'go', { stream: true })
        await stream.completed
        return String(stream.finalOutput)
      }),
  },
  half: openAiAgentsHalf,
  resumedEarly: 'stops',
  shared: ({ latchkey, ...call }) => {
    const agent = withUserTools(new Agent({ name: 'agent', model: callingOpenAiModel(call) }), latchkey)
    return async (userId) => String((await run(agent, 'go', { context: { userId } })).finalOutput)
  },
}

/** By an agent, whose model calls the tool. */
async function callTool(
  tool: UserToolForOpenAiAgents,
  args: Record<string, unknown>,
  signal?: AbortSignal,
): Promise<Outcome> {
  const model = callingOpenAiModel({ tool: tool.name, args })
  const agent = new Agent({ name: 'agent', model, tools: [tool] })
  const { runContext } = await run(agent, 'go', signal && { signal })
  const value = toolOutcome(runContext, 'call-1')
  const failed = value instanceof Error || value?.isError === true
  return { status: failed ? 'error' : 'success', ...shown(model.requests.at(-1)?.input ?? []), value }
}

/** What the model is given of the tool's output. */
function shown(input: string | AgentInputItem[]): Pick<Outcome, 'text' | 'media'> {
  const items = typeof input === 'string' ? [] : input
  const output = items.flatMap((item) => (item.type === 'function_call_result' ? [item.output] : []))[0] ?? ''
  if (typeof output === 'string') return { text: output, media: [] }
  if (!Array.isArray(output)) return { text: output.type === 'text' ? output.text : '', media: [] }
  const words = output.flatMap((part) => (part.type === 'input_text' ? [part.text] : []))
  const files = output.flatMap((part) => {
    const url = part.type === 'input_image' ? part.image : part.type === 'input_file' ? part.file : undefined
    const [, mimeType = '', data = ''] = typeof url === 'string' ? (/^data:(.+);base64,(.*)$/.exec(url) ?? []) : []
    return mimeType === '' ? [] : [{ mimeType, data }]
  })
  return { text: words.join('\n'), media: files }
}

async function runAgent(
  { latchkey, userIdentifier, tool, args }: AgentInput,
  start: (agent: Agent) => Promise<string>,
): Promise<AgentRun> {
  const model = callingOpenAiModel({ tool, args })
  const tools = await createUserTools(latchkey)(userIdentifier)
  const answer = await start(new Agent({ name: 'agent', model, tools }))
  const [first, last] = [model.requests[0], model.requests.at(-1)]
  return {
    offered: (first?.tools ?? []).map((offered) => ('name' in offered ? offered.name : '')),
    toolResult: functionResultIn(last?.input ?? []) ?? '',
    answer,
  }
}
