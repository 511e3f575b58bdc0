import { isStepCount, ToolLoopAgent, type ToolSet } from 'ai'
import { MockLanguageModelV4 } from 'ai/test'
import type { ToolAnswer } from '../../world/script.ts'
import { HAS_REAL_MODEL, nextMoveOfTask, REAL_MODEL, TASK } from './task.ts'

type CallOptions = Parameters<MockLanguageModelV4['doGenerate']>[0]

/** Runs the task with the AI SDK's `ToolLoopAgent`. Gives what the agent said, and which tools it called. */
export async function runAiSdkAgent(tools: ToolSet): Promise<{ text: string; calls: string[] }> {
  const model = HAS_REAL_MODEL ? await realModel() : scriptedModel()
  const agent = new ToolLoopAgent({ model, tools, stopWhen: isStepCount(10) })
  const { text, steps } = await agent.generate({ prompt: TASK })
  return { text, calls: steps.flatMap(({ toolCalls }) => toolCalls.map(({ toolName }) => toolName)) }
}

async function realModel() {
  const { openai } = await import('@ai-sdk/openai')
  return openai(REAL_MODEL)
}

/** The AI SDK's own test model. What it answers is worked out from the prompt that it is given. */
function scriptedModel(): MockLanguageModelV4 {
  return new MockLanguageModelV4({
    async doGenerate({ prompt }) {
      const answers = toolAnswersIn(prompt)
      const move = nextMoveOfTask(answers)
      const usage = {
        inputTokens: { total: 0, noCache: 0, cacheRead: 0, cacheWrite: 0 },
        outputTokens: { total: 0, text: 0, reasoning: 0 },
      }
      if ('say' in move) {
        const content = [{ type: 'text' as const, text: move.say }]
        return { content, finishReason: { unified: 'stop', raw: undefined }, usage, warnings: [] }
      }
      const call = { toolCallId: `call-${answers.length}`, toolName: move.call, input: JSON.stringify(move.args) }
      const content = [{ type: 'tool-call' as const, ...call }]
      return { content, finishReason: { unified: 'tool-calls', raw: undefined }, usage, warnings: [] }
    },
  })
}

function toolAnswersIn(prompt: CallOptions['prompt']): ToolAnswer[] {
  return prompt
    .flatMap((message) => (message.role === 'tool' ? message.content : []))
    .filter((part) => part.type === 'tool-result')
    .map(({ toolName, output }) => ({
      tool: toolName,
      text: output.type === 'text' ? output.value : JSON.stringify(output),
    }))
}
