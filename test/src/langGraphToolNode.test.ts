import {
  Command,
  entrypoint,
  interrupt,
  MemorySaver,
  MessagesAnnotation,
  Send,
  StateGraph,
  task,
} from '@langchain/langgraph'
import { createReactAgent, ToolNode } from '@langchain/langgraph/prebuilt'
import { createUserTools, userToolsMiddleware } from '@latchkey/langchain'
import { AIMessage, createAgent, createMiddleware, fakeModel, ToolMessage } from 'langchain'
import { describe, expect, it } from 'vitest'
import { expiredMailbox } from './fixtures/agents/expiredMailbox.ts'

const LOOK = { id: '1', name: 'look', args: {}, type: 'tool_call' as const }
const SEND = { id: '2', name: 'send', args: { to: 'x' }, type: 'tool_call' as const }
const CALLS = [LOOK, SEND]
const THREAD = { configurable: { thread_id: 'thread' } }

const stopsIn = (result: object): { value: { type: string } }[] => Reflect.get(result, '__interrupt__') ?? []
const textsOf = ({ messages }: { messages: readonly object[] }) =>
  messages.filter((message) => ToolMessage.isInstance(message)).map(({ status, text }) => [status, text])

async function mailbox(options: object = {}) {
  const { state, latchkey } = expiredMailbox()
  return { state, tools: await createUserTools(latchkey)('ann', { interrupt, ...options }) }
}
type Tools = Awaited<ReturnType<typeof mailbox>>['tools']

/** A graph that makes all calls of a message in one task. */
function wholeMessages(tools: Tools) {
  const graph = new StateGraph(MessagesAnnotation).addNode('tools', new ToolNode(tools))
  return graph.addEdge('__start__', 'tools').addEdge('tools', '__end__').compile({ checkpointer: new MemorySaver() })
}

const message = (calls: typeof CALLS) => ({ messages: [new AIMessage({ content: '', tool_calls: calls })] })

describe('createUserTools with interrupt, in a ToolNode', () => {
  it('makes no call a second time: beside others a call that lacks consent fails, and the run goes on', async () => {
    const asked: string[] = []
    const { state, tools } = await mailbox({
      onAuthorizationRequired: (connections: { connectionName: string }[]) =>
        void asked.push(...connections.map(({ connectionName }) => connectionName)),
    })
    const result = await wholeMessages(tools).invoke(message(CALLS), THREAD)
    expect(stopsIn(result)).toEqual([])
    expect(textsOf(result)).toEqual([
      ['success', 'look is done'],
      ['error', 'mail has to be authorized'],
    ])
    expect([asked, state.done]).toEqual([['mail'], ['look {}']])
  })

  it('makes no call a second time: beside others a call that has to be approved is not made', async () => {
    const { state, tools } = await mailbox({ approve: 'writes' })
    state.consented = true
    const result = await wholeMessages(tools).invoke(message(CALLS), THREAD)
    expect(stopsIn(result)).toEqual([])
    expect(textsOf(result)).toEqual([
      ['success', 'look is done'],
      ['error', 'tool "send" was not called: a person has to approve it, and cannot be asked in this run'],
    ])
    expect(state.done).toEqual(['look {}'])
  })

  it('stops for the only call of a message, and makes it once', async () => {
    const { state, tools } = await mailbox()
    const graph = wholeMessages(tools)
    expect(stopsIn(await graph.invoke(message([SEND]), THREAD))).toHaveLength(1)
    state.consented = true
    await graph.invoke(new Command({ resume: 'connected' }), THREAD)
    expect(state.done).toEqual(['send {"to":"x"}'])
  })

  it('stops for the only call of a message that is not answered yet', async () => {
    const { state, tools } = await mailbox()
    const graph = wholeMessages(tools)
    const answered = new ToolMessage({ content: 'rejected', tool_call_id: LOOK.id })
    const given = { messages: [...message(CALLS).messages, answered] }
    expect(stopsIn(await graph.invoke(given, THREAD))).toHaveLength(1)
    state.consented = true
    await graph.invoke(new Command({ resume: 'connected' }), THREAD)
    expect(state.done).toEqual(['send {"to":"x"}'])
  })

  it('stops for a call that is sent to its task by itself, and makes each once', async () => {
    const { state, tools } = await mailbox()
    const graph = new StateGraph(MessagesAnnotation)
      .addNode('tools', new ToolNode(tools))
      .addConditionalEdges('__start__', (given) =>
        CALLS.map((call) => new Send('tools', { ...given, lg_tool_call: call })),
      )
      .compile({ checkpointer: new MemorySaver() })
    expect(stopsIn(await graph.invoke(message(CALLS), THREAD))).toHaveLength(1)
    state.consented = true
    await graph.invoke(new Command({ resume: 'connected' }), THREAD)
    expect(state.done).toEqual(['look {}', 'send {"to":"x"}'])
  })

  it("stops in a node of the app's own that is sent one call, and makes each once", async () => {
    const { state, tools } = await mailbox()
    const make = async (call: typeof LOOK) => ({
      messages: [await tools.find(({ name }) => name === call.name)?.invoke(call)],
    })
    const graph = new StateGraph(MessagesAnnotation)
      .addNode('tool', make)
      .addConditionalEdges('__start__', () => CALLS.map((call) => new Send('tool', call)), ['tool'])
      .compile({ checkpointer: new MemorySaver() })
    expect(stopsIn(await graph.invoke(message(CALLS), THREAD))).toHaveLength(1)
    state.consented = true
    await graph.invoke(new Command({ resume: 'connected' }), THREAD)
    expect(state.done).toEqual(['look {}', 'send {"to":"x"}'])
  })

  it('makes no call a second time when all of a message are sent to one task', async () => {
    const { state, tools } = await mailbox()
    const graph = new StateGraph(MessagesAnnotation)
      .addNode('tools', new ToolNode(tools))
      .addConditionalEdges('__start__', (before) => [new Send('tools', before)], ['tools'])
      .compile({ checkpointer: new MemorySaver() })
    expect(stopsIn(await graph.invoke(message(CALLS), THREAD))).toEqual([])
    expect(state.done).toEqual(['look {}'])
  })
})

describe('createUserTools with interrupt, in a workflow of tasks', () => {
  it('stops for a call that is a task, and makes each once', async () => {
    const { state, tools } = await mailbox()
    const call = task('call', async (made: typeof LOOK) => {
      await tools.find(({ name }) => name === made.name)?.invoke(made)
    })
    const workflow = entrypoint({ name: 'w', checkpointer: new MemorySaver() }, async () => {
      await Promise.all(CALLS.map((made) => call(made)))
      return state.done.length
    })
    await workflow.invoke([], THREAD)
    state.consented = true
    expect(await workflow.invoke(new Command({ resume: 'connected' }), THREAD)).toBe(2)
    expect(state.done).toEqual(['look {}', 'send {"to":"x"}'])
  })

  it('stops for a call that a task is given with other things', async () => {
    const { state, tools } = await mailbox()
    const call = task('call', async (why: string, made: typeof LOOK) => {
      await tools.find(({ name }) => name === made.name)?.invoke(made)
      return why
    })
    const workflow = entrypoint({ name: 'w', checkpointer: new MemorySaver() }, async () => await call('because', SEND))
    await workflow.invoke([], THREAD)
    state.consented = true
    expect(await workflow.invoke(new Command({ resume: 'connected' }), THREAD)).toBe('because')
    expect(state.done).toEqual(['send {"to":"x"}'])
  })

  it('makes no call a second time where calls are no tasks of their own', async () => {
    const { state, tools } = await mailbox()
    const workflow = entrypoint({ name: 'w', checkpointer: new MemorySaver() }, async () => {
      const made: ToolMessage[] = []
      for (const call of CALLS) made.push(await tools.find(({ name }) => name === call.name)?.invoke(call))
      return made.map(({ status }) => status)
    })
    expect(await workflow.invoke({ messages: [] }, THREAD)).toEqual(['success', 'error'])
    expect(state.done).toEqual(['look {}'])
  })
})

describe('createUserTools with interrupt, in createReactAgent', () => {
  it.each([
    ['v1', 0, ['look {}']],
    ['v2', 1, ['look {}', 'send {"to":"x"}']],
  ] as const)('%s makes no call a second time', async (version, stops, done) => {
    const { state, tools } = await mailbox()
    const llm = fakeModel().respondWithTools([LOOK, SEND]).respond(new AIMessage('bye'))
    const agent = createReactAgent({ llm, tools, version, checkpointer: new MemorySaver() })
    const stopped = await agent.invoke({ messages: [{ role: 'user', content: 'go' }] }, THREAD)
    expect(stopsIn(stopped)).toHaveLength(stops)
    state.consented = true
    if (stops > 0) await agent.invoke(new Command({ resume: 'connected' }), THREAD)
    expect(state.done).toEqual(done)
  })
})

describe("createUserTools with interrupt, in createAgent's version that makes all calls in one task", () => {
  it.each([
    ['tools', async () => await mailbox()],
    [
      'userToolsMiddleware',
      async () => {
        const { state, latchkey } = expiredMailbox()
        return { state, middleware: [createMiddleware(userToolsMiddleware(latchkey, { interrupt }))] }
      },
    ],
  ])('makes no call a second time, with %s', async (_how, given) => {
    const { state, ...parts } = await given()
    const model = fakeModel().respondWithTools([LOOK, SEND]).respond(new AIMessage('bye'))
    const agent = createAgent({ model, tools: [], ...parts, version: 'v1', checkpointer: new MemorySaver() })
    const go = { messages: [{ role: 'user' as const, content: 'go' }] }
    const result = await agent.invoke(go, { ...THREAD, context: { userId: 'ann' } })
    expect(stopsIn(result)).toEqual([])
    expect(state.done).toEqual(['look {}'])
  })
})
