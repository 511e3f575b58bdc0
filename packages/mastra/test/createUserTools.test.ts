import { ConnectionState, LatchkeyError, type UserTool, type UserTools } from '@latchkey/core'
import { Mastra } from '@mastra/core'
import { Agent, type AgentConfig } from '@mastra/core/agent'
import type { MastraModelConfig } from '@mastra/core/llm'
import { MASTRA_RESOURCE_ID_KEY, RequestContext } from '@mastra/core/request-context'
import { InMemoryDB, MastraCompositeStore, WorkflowsInMemory } from '@mastra/core/storage'
import { MockLanguageModelV4 } from 'ai/test'
import { describe, expect, it } from 'vitest'

import { createUserTools, requestUserTools } from '../src/index.ts'

type Content = Awaited<ReturnType<MockLanguageModelV4['doGenerate']>>['content']

const call = (toolCallId: string, toolName: string, input = '{}') => ({
  type: 'tool-call' as const,
  toolCallId,
  toolName,
  input,
})
const SEND = call('call-1', 'send', '{"to":"x"}')
const LOOK = call('call-2', 'look')
const SEND_AGAIN = call('call-3', 'send', '{"to":"y"}')
const as = (user: string) => ({ requestContext: new RequestContext([[MASTRA_RESOURCE_ID_KEY, user]]) })

/** A mailbox of a user whose consent has ended: `send` needs it, `look` does not. */
function mailbox() {
  const state = { consented: false, done: new Array<string>() }
  let links = 0
  const tool = (name: string, isFree: boolean): UserTool => ({
    name,
    mcpName: name,
    title: undefined,
    description: name,
    inputSchema: { type: 'object' },
    outputSchema: undefined,
    annotations: { readOnlyHint: isFree },
    async call(args) {
      const authenticationLink = `https://consent.test/secret-link-${(links += 1)}`
      const connection = { connectionId: 'c1', connectionName: 'mail', status: 'EXPIRED', authenticationLink }
      const connections = [new ConnectionState(connection)]
      if (!isFree && !state.consented)
        throw new LatchkeyError('authorization_required', 'mail has to be authorized', { connections })
      state.done.push(`${name} ${JSON.stringify(args)}`)
      return { content: [{ type: 'text', text: `${name} is done` }] }
    },
  })
  const report = { renamed: [], dropped: [], unavailable: [] }
  const tools = [tool('send', false), tool('look', true)]
  const userTools = async (_user: string): Promise<UserTools> => ({ tools, report, missing: [] })
  return { state, latchkey: { userTools } }
}

/** A model that gives these answers in turn. */
function scripted(...answers: Content[]): MockLanguageModelV4 {
  const left = [...answers]
  return new MockLanguageModelV4({
    doGenerate: async () => {
      const content = left.shift() ?? [{ type: 'text', text: 'done' }]
      const isCall = content.some(({ type }) => type === 'tool-call')
      return {
        content,
        finishReason: { unified: isCall ? 'tool-calls' : 'stop', raw: undefined },
        usage: {
          inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
          outputTokens: { total: 1, text: 1, reasoning: 0 },
        },
        warnings: [],
      }
    },
  })
}

interface AgentOptions {
  readonly db?: InMemoryDB
  readonly defaultOptions?: AgentConfig['defaultOptions']
}

function agentWith(
  model: MockLanguageModelV4,
  tools: AgentConfig['tools'],
  { db = new InMemoryDB(), ...more }: AgentOptions = {},
) {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- It has the types of another version of `@ai-sdk/provider`.
  const known = { id: 'agent', name: 'agent', instructions: 'Help.', model: model as unknown as MastraModelConfig }
  const agent = new Agent({ ...known, tools, ...more })
  const storage = new MastraCompositeStore({ id: 'store', domains: { workflows: new WorkflowsInMemory({ db }) } })
  return new Mastra({ agents: { agent }, storage, logger: false }).getAgent('agent')
}

function copyOf({ workflows }: InMemoryDB): InMemoryDB {
  const copy = new InMemoryDB()
  for (const [id, run] of structuredClone(workflows)) copy.workflows.set(id, run)
  return copy
}

describe('createUserTools', () => {
  it('shows the model the schema as the server gives it, and each tool by a name of its own', async () => {
    const { latchkey } = mailbox()
    const inputSchema = { type: 'object' as const, properties: { to: { type: 'string', pattern: '^(a+)+$' } } }
    // Mastra cuts off the 64th character, and loses the last.
    const names = [`${'a'.repeat(63)}b`, `${'a'.repeat(63)}c`, '1st', '__proto__']
    const userTools = async (user: string): Promise<UserTools> => {
      const { tools, ...rest } = await latchkey.userTools(user)
      return { ...rest, tools: tools.slice(1).flatMap((tool) => names.map((name) => ({ ...tool, name, inputSchema }))) }
    }
    const model = scripted()
    await agentWith(model, await createUserTools({ userTools })('ann')).generate('go')
    const offered = model.doGenerateCalls[0]?.tools ?? []
    expect(new Set(offered.map(({ name }) => name)).size).toBe(names.length)
    expect(offered.map((each) => each.type === 'function' && each.inputSchema)).toEqual(names.map(() => inputSchema))
  })
})

describe("createUserTools with consent: 'suspend'", () => {
  it('suspends with the link, and carries each of two parallel calls out once when it is resumed', async () => {
    const { state, latchkey } = mailbox()
    const model = scripted([SEND, LOOK])
    const agent = agentWith(model, await createUserTools(latchkey)('ann', { consent: 'suspend' }))
    const stopped = await agent.generate('go')
    expect(stopped.finishReason).toBe('suspended')
    expect(stopped.suspendPayload).toMatchObject({
      toolName: 'send',
      suspendPayload: {
        type: 'authorization_required',
        userIdentifier: 'ann',
        tool: 'send',
        connections: [{ connectionName: 'mail', authenticationLink: 'https://consent.test/secret-link-1' }],
      },
    })
    expect(state.done).toEqual(['look {}'])
    state.consented = true
    const resumed = await agent.resumeGenerate({ connected: true }, { runId: stopped.runId! })
    expect(resumed.text).toBe('done')
    expect(state.done).toEqual(['look {}', 'send {"to":"x"}'])
    expect(model.doGenerateCalls).toHaveLength(2)
    const prompt = JSON.stringify(model.doGenerateCalls[1]?.prompt)
    expect(prompt).toContain('send is done')
    expect(prompt).not.toContain('secret-link')
  })

  it('suspends for each of two calls that need consent, and carries each out once', async () => {
    const { state, latchkey } = mailbox()
    const agent = agentWith(
      scripted([SEND, SEND_AGAIN]),
      await createUserTools(latchkey)('ann', { consent: 'suspend' }),
    )
    const stopped = await agent.generate('go')
    state.consented = true
    // Without the id of a call, all of them are resumed.
    const whole = await agent.resumeGenerate({ connected: true }, { runId: stopped.runId! })
    expect(whole.text).toBe('done')
    expect(state.done.toSorted()).toEqual(['send {"to":"x"}', 'send {"to":"y"}'])
  })

  it('goes on without the call, and tells the model, when the user declined', async () => {
    const { state, latchkey } = mailbox()
    const model = scripted([SEND])
    const agent = agentWith(model, await createUserTools(latchkey)('ann', { consent: 'suspend' }))
    const { runId } = await agent.generate('go')
    state.consented = true
    await agent.resumeGenerate({ connected: false }, { runId: runId! })
    expect(JSON.stringify(model.doGenerateCalls[1]?.prompt)).toContain('the user declined')
    expect(state.done).toEqual([])
  })

  it('does not call when the run is resumed in another process as another user', async () => {
    const { state, latchkey } = mailbox()
    const tools = requestUserTools(latchkey, { consent: 'suspend' })
    const db = new InMemoryDB()
    const { runId } = await agentWith(scripted([SEND]), tools, { db }).generate('go', as('ann'))
    state.consented = true
    const model = scripted()
    // What another process has is the storage, and nothing of the first agent.
    const elsewhere = agentWith(model, tools, { db: copyOf(db) })
    await elsewhere.resumeGenerate({ connected: true }, { runId: runId!, ...as('bob') })
    expect(JSON.stringify(model.doGenerateCalls[0]?.prompt)).toContain('suspended for another user')
    expect(state.done).toEqual([])
  })
})

describe('createUserTools with approve', () => {
  it('asks before a call that writes, and carries it out once when it is approved and then consented to', async () => {
    const { state, latchkey } = mailbox()
    const tools = await createUserTools(latchkey)('ann', { approve: 'writes', consent: 'suspend' })
    const agent = agentWith(scripted([LOOK, SEND]), tools)
    const stopped = await agent.generate('go')
    expect(stopped.suspendPayload).toMatchObject({ toolName: 'send', args: { to: 'x' } })
    expect(state.done).toEqual(['look {}'])
    const runId = stopped.runId!
    const approved = await agent.approveToolCallGenerate({ runId, toolCallId: 'call-1' })
    expect(approved.suspendPayload).toMatchObject({ suspendPayload: { type: 'authorization_required' } })
    state.consented = true
    const resumed = await agent.resumeGenerate({ connected: true }, { runId })
    expect([resumed.text, state.done]).toEqual(['done', ['look {}', 'send {"to":"x"}']])
  })

  it.each([
    ['declined', async () => true],
    ['not decided, because the policy fails', () => Promise.reject(new Error('the policy server is down'))],
  ])('makes no call that is %s', async (_how, approve) => {
    const { state, latchkey } = mailbox()
    state.consented = true
    const agent = agentWith(scripted([SEND]), await createUserTools(latchkey)('ann', { approve }))
    const { runId, finishReason } = await agent.generate('go')
    expect(finishReason).toBe('suspended')
    await agent.declineToolCallGenerate({ runId: runId!, toolCallId: 'call-1' })
    expect(state.done).toEqual([])
  })
})

describe('requestUserTools', () => {
  it('gives each step of a run the tools as they are at that moment', async () => {
    const { state, latchkey } = mailbox()
    state.consented = true
    const asked: string[] = []
    const userTools = async (user: string) => {
      asked.push(user)
      const all = await latchkey.userTools(user)
      return state.done.length === 0 ? { ...all, tools: all.tools.slice(1) } : all
    }
    const tools = requestUserTools({ userTools })
    const model = scripted([LOOK], [SEND])
    const agent = agentWith(model, tools, {
      defaultOptions: {
        prepareStep: async (step) => ({ tools: await tools({ requestContext: step.requestContext! }) }),
      },
    })
    await agent.generate('go', as('bob'))
    expect(model.doGenerateCalls.map((each) => each.tools?.map(({ name }) => name))).toEqual([
      ['look'],
      ['send', 'look'],
      ['send', 'look'],
    ])
    expect(state.done).toEqual(['look {}', 'send {"to":"x"}'])
    expect(new Set(asked)).toEqual(new Set(['bob']))
  })

  it('says whose request it is that it cannot tell', async () => {
    const agent = agentWith(scripted([SEND]), requestUserTools(mailbox().latchkey))
    // A client of Mastra's server can set this key.
    const requestContext = new RequestContext([['userId', 'ann']])
    await expect(agent.generate('go', { requestContext })).rejects.toThrow('the request does not say whose it is')
  })
})
