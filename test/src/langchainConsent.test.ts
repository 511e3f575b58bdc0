import { Command, interrupt, MemorySaver } from '@langchain/langgraph'
import { ConnectionState, LatchkeyError, type UserTools } from '@latchkey/core'
import {
  createUserTools,
  userToolsMiddleware,
  type ApprovalInterrupt,
  type AuthorizationRequest,
} from '@latchkey/langchain'
import * as fc from 'fast-check'
import {
  AIMessage,
  createAgent,
  createMiddleware,
  fakeModel,
  ToolMessage,
  type AgentMiddleware,
  type HITLRequest,
} from 'langchain'
import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { expiredMailbox } from './fixtures/agents/expiredMailbox.ts'

const CALLS = [
  { name: 'send', args: { to: 'x' } },
  { name: 'look', args: {} },
]
const GO = { messages: [{ role: 'user' as const, content: 'go' }] }
const THREAD = { configurable: { thread_id: 'thread' } }

const scripted = () =>
  fakeModel()
    .respondWithTools(CALLS)
    .respond((messages) => new AIMessage(messages.map(({ text }) => text).join('\n')))

interface Open<V> {
  id: string
  value: V
}

/** What the run has stopped for, with the ids by which it is resumed. */
const openIn = <V = AuthorizationRequest | ApprovalInterrupt>(result: object): Open<V>[] =>
  Reflect.get(result, '__interrupt__') ?? []

const interruptsOf = (result: object) => openIn<AuthorizationRequest>(result).map(({ value }) => value)
const approvalsOf = (result: object) => openIn<ApprovalInterrupt>(result).map(({ value }) => value)

const typesOf = (result: object) => openIn(result).map(({ value }) => value.type)

const passing = createMiddleware({ name: 'passing', wrapToolCall: (request, handler) => handler(request) })

describe.each([
  ['createAgent', []],
  ['createAgent with wrapToolCall middleware', [passing]],
])('createUserTools with interrupt, in %s', (_, middleware) => {
  it('stops with the link, and carries each of two parallel calls out once when it is resumed', async () => {
    const { state, latchkey } = expiredMailbox()
    const tools = await createUserTools(latchkey)('ann', { interrupt })
    const model = scripted()
    const agent = createAgent({ model, tools, middleware, checkpointer: new MemorySaver() })

    expect(interruptsOf(await agent.invoke(GO, THREAD))).toEqual([
      {
        type: 'authorization_required',
        userIdentifier: 'ann',
        tool: 'send',
        connections: [
          { connectionName: 'mail', authenticationLink: 'https://consent.test/secret-link-1', expiresAt: undefined },
        ],
      },
    ])
    expect(state.done).toEqual(['look {}'])
    state.consented = true
    const { messages } = await agent.invoke(new Command({ resume: 'connected' }), THREAD)
    expect(state.done).toEqual(['look {}', 'send {"to":"x"}'])
    expect(messages.at(-1)?.text).toContain('send is done')
    expect(model.callCount).toBe(2)
  })

  it('stops once more, with a fresh link, when it is resumed before the consent', async () => {
    const { state, latchkey } = expiredMailbox()
    const tools = await createUserTools(latchkey)('ann', { interrupt })
    const agent = createAgent({ model: scripted(), tools, middleware, checkpointer: new MemorySaver() })
    await agent.invoke(GO, THREAD)
    for (const link of ['https://consent.test/secret-link-2', 'https://consent.test/secret-link-3']) {
      const again = await agent.invoke(new Command({ resume: 'connected' }), THREAD)
      expect(interruptsOf(again)[0]?.connections[0]?.authenticationLink).toBe(link)
    }
    state.consented = true
    await agent.invoke(new Command({ resume: 'connected' }), THREAD)
    expect(state.done).toEqual(['look {}', 'send {"to":"x"}'])
  })

  it('goes on without the call, and tells the model, when the user declined', async () => {
    const { state, latchkey } = expiredMailbox()
    const tools = await createUserTools(latchkey)('ann', { interrupt })
    const agent = createAgent({ model: scripted(), tools, middleware, checkpointer: new MemorySaver() })
    await agent.invoke(GO, THREAD)
    const { messages } = await agent.invoke(new Command({ resume: 'declined' }), THREAD)
    expect(messages.at(-1)?.text).toContain('The user declined')
    expect(state.done).toEqual(['look {}'])
  })

  it('tells the model and the app, and does not stop, where there is no checkpointer', async () => {
    const { state, latchkey } = expiredMailbox()
    const asked: string[] = []
    const onAuthorizationRequired = ([connection]: readonly ConnectionState[]) =>
      void asked.push(connection?.connectionName ?? '')
    const tools = await createUserTools(latchkey)('ann', { interrupt, onAuthorizationRequired })
    const { messages } = await createAgent({ model: scripted(), tools, middleware }).invoke(GO)
    expect(messages.at(-1)?.text).toContain('mail has to be authorized')
    expect(messages.at(-1)?.text).not.toContain('secret-link')
    expect(asked).toEqual(['mail'])
    expect(state.done).toEqual(['look {}'])
  })
})

/** An agent whose calls have to be approved. */
async function approvingAgent(consented: boolean, options: object = {}, middleware: AgentMiddleware[] = []) {
  const { state, latchkey } = expiredMailbox()
  state.consented = consented
  const tools = await createUserTools(latchkey)('ann', { interrupt, approve: 'writes', ...options })
  const model = scripted()
  return { state, model, agent: createAgent({ model, tools, middleware, checkpointer: new MemorySaver() }) }
}

const APPROVALS = [
  ['approved', 'approved'],
  ['approve', { type: 'approve' }],
  ['HITLResponse', { decisions: [{ type: 'approve' }] }],
] as const
const NO_DECISIONS = [
  'connected',
  true,
  { type: 'edit', editedAction: { name: 'send', args: { to: 'y' } } },
  { decisions: [] },
  { decisions: [{ type: 'approve' }, { type: 'approve' }] },
]

describe.each([
  ['createAgent', []],
  ['createAgent with wrapToolCall middleware', [passing]],
])('createUserTools with approve, in %s', (_, middleware) => {
  const agentOf = (consented: boolean, options: object = {}) => approvingAgent(consented, options, middleware)

  it.each(APPROVALS)('stops with the call, and makes it once when it is resumed with %s', async (_how, resume) => {
    const { state, model, agent } = await agentOf(true)
    const approvals = approvalsOf(await agent.invoke(GO, THREAD))
    expect(approvals).toMatchObject([
      { type: 'approval_required', userIdentifier: 'ann', tool: 'send', args: { to: 'x' } },
    ])
    const requests: HITLRequest[] = approvals
    expect(requests[0]?.actionRequests).toEqual([{ name: 'send', args: { to: 'x' }, description: 'send' }])
    expect(state.done).toEqual(['look {}'])
    const { messages } = await agent.invoke(new Command({ resume }), THREAD)
    expect(state.done).toEqual(['look {}', 'send {"to":"x"}'])
    expect(messages.at(-1)?.text).toContain('send is done')
    expect(model.callCount).toBe(2)
  })

  it.each([
    ['declined', 'declined', 'the user declined it'],
    ['reject', { type: 'reject', message: 'too early' }, 'the user declined it: too early'],
    ['HITLResponse', { decisions: [{ type: 'reject' }] }, 'the user declined it'],
  ])('makes no call, and tells the model why, when it is resumed with %s', async (_how, resume, why) => {
    const { state, agent } = await agentOf(true)
    await agent.invoke(GO, THREAD)
    const { messages } = await agent.invoke(new Command({ resume }), THREAD)
    expect(messages.at(-1)?.text).toContain(`tool "send" was not called: ${why}`)
    expect(state.done).toEqual(['look {}'])
  })

  it.each(NO_DECISIONS)('asks again when it is resumed with %j, which is no decision', async (resume) => {
    const { state, agent } = await agentOf(true)
    await agent.invoke(GO, THREAD)
    expect(approvalsOf(await agent.invoke(new Command({ resume }), THREAD)).map(({ tool }) => tool)).toEqual(['send'])
    expect(state.done).toEqual(['look {}'])
    await agent.invoke(new Command({ resume: 'approved' }), THREAD)
    expect(state.done).toEqual(['look {}', 'send {"to":"x"}'])
  })

  it('tells the model, and makes no call, where there is no checkpointer', async () => {
    const { state, latchkey } = expiredMailbox()
    state.consented = true
    const tools = await createUserTools(latchkey)('ann', { interrupt, approve: 'destructive' })
    const { messages } = await createAgent({ model: scripted(), tools, middleware }).invoke(GO)
    expect(messages.at(-1)?.text).toContain(
      'was not called: a person has to approve it, and cannot be asked in this run',
    )
    expect(state.done).toEqual(['look {}'])
  })

  it('makes no call, and does not tell the model what went wrong, when it cannot be decided', async () => {
    const down = new Error('secret-policy is down')
    const { state, agent } = await agentOf(true, { approve: () => Promise.reject(down) })
    const { messages } = await agent.invoke(GO, THREAD)
    expect(messages.at(-1)?.text).toContain('was not called: it could not be decided')
    expect(messages.at(-1)?.text).not.toContain('secret-policy')
    expect(state.done).toEqual([])
  })

  it('has each of several calls decided by the id of its interrupt', async () => {
    const { state, agent } = await agentOf(true, { approve: () => true })
    const open = openIn<ApprovalInterrupt>(await agent.invoke(GO, THREAD))
    const decisions = open.map(({ id, value: { tool } }) => [id, tool === 'send' ? 'approved' : 'declined'])
    expect(decisions).toHaveLength(2)
    const { messages } = await agent.invoke(new Command({ resume: Object.fromEntries(decisions) }), THREAD)
    expect(state.done).toEqual(['send {"to":"x"}'])
    expect(messages.at(-1)?.text).toContain('tool "look" was not called: the user declined it')
  })
})

describe('createUserTools with approve, whatever the answers', () => {
  it('takes each for what was asked, and calls once, approved and with consent, or not at all', async () => {
    const answer = fc.constantFrom(
      'approved',
      { type: 'approve' },
      'connected',
      'declined',
      { type: 'reject' },
      'what?',
    )
    const turn = fc.record({ resume: answer, consents: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(fc.array(turn, { minLength: 2, maxLength: 6 }), async (turns) => {
        const { state, agent } = await approvingAgent(false)
        let open = openIn(await agent.invoke(GO, THREAD))
        let [isApproved, isDeclined] = [false, false]
        for (const { resume, consents } of turns) {
          const [asked] = open
          if (!asked) break
          const isYes = resume === 'approved' || (typeof resume === 'object' && resume.type === 'approve')
          const isNo = resume === 'declined' || (typeof resume === 'object' && resume.type === 'reject')
          isApproved ||= isYes && asked.value.type === 'approval_required'
          if (consents) state.consented = true
          isDeclined ||= isNo && !(isApproved && state.consented)
          open = openIn(await agent.invoke(new Command({ resume }), THREAD))
          const isMade = isApproved && state.consented && !isDeclined
          expect(state.done).toEqual(isMade ? ['look {}', 'send {"to":"x"}'] : ['look {}'])
          expect(open.length).toBe(isMade || isDeclined ? 0 : 1)
        }
      }),
      { numRuns: 30 },
    )
  })
})

describe('approve without interrupt', () => {
  it("is refused as a caller's mistake", async () => {
    const { latchkey } = expiredMailbox()
    await expect(createUserTools(latchkey)('ann', { approve: 'writes' })).rejects.toThrow(TypeError)
    expect(() => userToolsMiddleware(latchkey, { approve: 'writes' })).toThrow(/`approve` needs `interrupt`/)
  })
})

describe('userToolsMiddleware', () => {
  const contextSchema = z.object({ userId: z.string() })

  it('gives one agent the tools of whichever user runs it, as they are at each step', async () => {
    const asked: string[] = []
    const { state, latchkey } = expiredMailbox()
    state.consented = true
    const userTools = async (user: string): Promise<UserTools> => {
      asked.push(user)
      const all = await latchkey.userTools()
      // The second tool is there from the second step on.
      return asked.length < 3 ? { ...all, tools: all.tools.slice(0, 1) } : all
    }
    const offered: string[][] = []
    const watching = createMiddleware({
      name: 'watching',
      wrapModelCall: (request, handler) => {
        offered.push(request.tools.map((tool) => String(tool.name)))
        return handler(request)
      },
    })
    const middleware = [createMiddleware(userToolsMiddleware({ userTools })), watching]
    const model = fakeModel()
      .respondWithTools([{ name: 'send', args: { to: 'x' } }])
      .respondWithTools([{ name: 'look', args: {} }])
      .respond(new AIMessage('done'))
    const agent = createAgent({ model, tools: [], middleware, contextSchema })
    await agent.invoke(GO, { context: { userId: 'bob' } })
    expect(offered[0]).toEqual(['send'])
    expect(offered[1]).toEqual(['send', 'look'])
    expect(state.done).toEqual(['send {"to":"x"}', 'look {}'])
    expect(new Set(asked)).toEqual(new Set(['bob']))
  })

  it('says whose run it is that it cannot tell', async () => {
    const { latchkey } = expiredMailbox()
    const agent = createAgent({
      model: scripted(),
      tools: [],
      middleware: [createMiddleware(userToolsMiddleware(latchkey))],
    })
    await expect(agent.invoke(GO)).rejects.toThrow('the run does not say whose it is')
  })

  it('stops and goes on in the middle of a run as the tools alone do', async () => {
    const { state, latchkey } = expiredMailbox()
    const middleware = [createMiddleware(userToolsMiddleware(latchkey, { interrupt }))]
    const model = scripted()
    const agent = createAgent({ model, tools: [], middleware, contextSchema, checkpointer: new MemorySaver() })
    const ofAnn = { ...THREAD, context: { userId: 'ann' } }
    expect(interruptsOf(await agent.invoke(GO, ofAnn)).map(({ tool }) => tool)).toEqual(['send'])
    state.consented = true
    await agent.invoke(new Command({ resume: 'connected' }), ofAnn)
    expect(state.done).toEqual(['look {}', 'send {"to":"x"}'])
    expect(model.callCount).toBe(2)
  })

  it('has a call approved, and then consented to, as the tools alone do', async () => {
    const { state, latchkey } = expiredMailbox()
    const middleware = [createMiddleware(userToolsMiddleware(latchkey, { interrupt, approve: 'destructive' }))]
    const agent = createAgent({
      model: scripted(),
      tools: [],
      middleware,
      contextSchema,
      checkpointer: new MemorySaver(),
    })
    const ofAnn = { ...THREAD, context: { userId: 'ann' } }
    expect(typesOf(await agent.invoke(GO, ofAnn))).toEqual(['approval_required'])
    expect(typesOf(await agent.invoke(new Command({ resume: 'approved' }), ofAnn))).toEqual(['authorization_required'])
    expect(typesOf(await agent.invoke(new Command({ resume: 'approved' }), ofAnn))).toEqual(['authorization_required'])
    state.consented = true
    await agent.invoke(new Command({ resume: 'connected' }), ofAnn)
    expect(state.done).toEqual(['look {}', 'send {"to":"x"}'])
  })

  it('takes no answer to its question for consent for the approval of the call', async () => {
    const { state, latchkey } = expiredMailbox()
    state.consented = true
    let isConnected = true
    const connections = [new ConnectionState({ connectionId: 'c1', connectionName: 'mail', status: 'EXPIRED' })]
    const userTools = async () => {
      if (isConnected) return await latchkey.userTools()
      throw new LatchkeyError('authorization_required', 'mail has to be authorized', { connections })
    }
    const ending = createMiddleware({
      name: 'ending',
      wrapModelCall: async (request, handler) => {
        const answer = await handler(request)
        // The consent ends when the model has been given the tools, and before the call.
        if (model.callCount === 1) isConnected = false
        return answer
      },
    })
    const sendIt = [{ name: 'send', args: { to: 'x' } }]
    const model = fakeModel().respondWithTools(sendIt).respondWithTools(sendIt).respond(new AIMessage('done'))
    const middleware = [ending, createMiddleware(userToolsMiddleware({ userTools }, { interrupt, approve: 'writes' }))]
    const agent = createAgent({ model, tools: [], middleware, contextSchema, checkpointer: new MemorySaver() })
    const ofAnn = { ...THREAD, context: { userId: 'ann' } }
    expect(typesOf(await agent.invoke(GO, ofAnn))).toEqual(['authorization_required'])
    isConnected = true
    expect(typesOf(await agent.invoke(new Command({ resume: 'approved' }), ofAnn))).toEqual(['approval_required'])
    expect(state.done).toEqual([])
    await agent.invoke(new Command({ resume: 'approved' }), ofAnn)
    expect(state.done).toEqual(['send {"to":"x"}'])
  })

  it('stops before the model is asked when the tools cannot be had yet', async () => {
    const { state, latchkey } = expiredMailbox()
    state.consented = true
    let isConnected = false
    const connections = [new ConnectionState({ connectionId: 'c1', connectionName: 'mail', status: 'PENDING_AUTH' })]
    const userTools = async () => {
      if (!isConnected) throw new LatchkeyError('authorization_required', 'mail has to be authorized', { connections })
      return await latchkey.userTools()
    }
    const model = scripted()
    const middleware = [createMiddleware(userToolsMiddleware({ userTools }, { interrupt }))]
    const agent = createAgent({ model, tools: [], middleware, contextSchema, checkpointer: new MemorySaver() })
    const ofAnn = { ...THREAD, context: { userId: 'ann' } }
    const stopped = interruptsOf(await agent.invoke(GO, ofAnn))
    expect(stopped.map(({ userIdentifier, tool }) => [userIdentifier, tool])).toEqual([['ann', undefined]])
    expect(model.callCount).toBe(0)
    isConnected = true
    const { messages } = await agent.invoke(new Command({ resume: 'connected' }), ofAnn)
    expect(messages.some((message) => ToolMessage.isInstance(message) && message.text === 'send is done')).toBe(true)
  })
})
