import { type BaseMessage, AIMessage, createAgent, type DynamicStructuredTool, fakeModel, ToolMessage } from 'langchain'
import { HAS_REAL_MODEL, nextMoveOfTask, REAL_MODEL, TASK } from './task.ts'

const MOST_STEPS = 8

/** Runs the task with LangChain's `createAgent`. Gives what the agent said, and which tools it called. */
export async function runLangChainAgent(tools: DynamicStructuredTool[]): Promise<{ text: string; calls: string[] }> {
  const model = HAS_REAL_MODEL ? await realModel() : scriptedModel()
  const { messages } = await createAgent({ model, tools }).invoke({ messages: [{ role: 'user', content: TASK }] })
  const calls = messages.filter((message) => ToolMessage.isInstance(message)).map(({ name }) => name ?? '')
  return { text: messages.at(-1)?.text ?? '', calls }
}

async function realModel() {
  const { ChatOpenAI } = await import('@langchain/openai')
  return new ChatOpenAI({ model: REAL_MODEL, useResponsesApi: true })
}

/** LangChain's own test model. What it answers is worked out from the messages that it is given. */
function scriptedModel() {
  const model = fakeModel()
  for (let step = 0; step < MOST_STEPS; step += 1) model.respond(answer)
  return model
}

function answer(messages: BaseMessage[]): AIMessage {
  const answers = messages
    .filter((message) => ToolMessage.isInstance(message))
    .map(({ name, text }) => ({ tool: name ?? '', text }))
  const move = nextMoveOfTask(answers)
  if ('say' in move) return new AIMessage(move.say)
  return new AIMessage({
    content: '',
    tool_calls: [{ id: `call-${answers.length}`, name: move.call, args: move.args }],
  })
}
