import { ConnectionState, LatchkeyError, type UserTool, type UserTools } from '@latchkey/core'
import { Agent, run, RunState, tool, Usage, type Model, type RunToolApprovalItem } from '@openai/agents'
import { describe, expect, it } from 'vitest'

import { authorizationOf, createUserTools, toolOutcome, withUserTools } from '../src/index.ts'

type Request = Parameters<Model['getResponse']>[0]
type Output = Awaited<ReturnType<Model['getResponse']>>['output']

const call = (callId: string, name: string, args = '{}') => ({
  type: 'function_call' as const,
  status: 'completed' as const,
  callId,
  name,
  arguments: args,
})
const SEND = call('call-1', 'send', '{"to":"x"}')
const LOOK = call('call-2', 'look')
const SEND_AGAIN = call('call-3', 'send', '{"to":"y"}')

/** A mailbox of a user whose consent has ended: `send` needs it, `look` does not. */
function mailbox() {
  const state = { consented: false, done: new Array<string>() }
  let links = 0
  const userTool = (name: string, isFree: boolean): UserTool => ({
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
      return { content: [{ type: 'text', text: `${name} is done` }], structuredContent: { mails: 3 } }
    },
  })
  const report = { renamed: [], dropped: [], unavailable: [] }
  const tools = [userTool('send', false), userTool('look', true)]
  const userTools = async (_user: string): Promise<UserTools> => ({ tools, report, missing: [] })
  return { state, latchkey: { userTools } }
}

/** A model that gives these answers in turn, and keeps what it was asked. */
function scripted(...answers: Output[]): Model & { readonly requests: Request[] } {
  const left = [...answers]
  const requests: Request[] = []
  const content = [{ type: 'output_text' as const, text: 'done' }]
  return {
    requests,
    getResponse: async (request) => {
      requests.push(request)
      const done = { type: 'message' as const, role: 'assistant' as const, status: 'completed' as const, content }
      return { usage: new Usage(), output: left.shift() ?? [done] }
    },
    getStreamedResponse: () => {
      throw new TypeError('this model is never streamed')
    },
  }
}

/** Goes on with a run as another process would. */
async function resumed(
  agent: Agent,
  kept: string,
  decide: (state: RunState<unknown, Agent>, item: RunToolApprovalItem) => void,
) {
  const state = await RunState.fromString(agent, kept)
  for (const interruption of state.getInterruptions()) decide(state, interruption)
  return await run(agent, state)
}

const approve = (state: RunState<unknown, Agent>, item: RunToolApprovalItem) => state.approve(item)

describe("createUserTools with consent: 'interrupt'", () => {
  it('interrupts with the link, and carries each of two parallel calls out once when it is resumed', async () => {
    const { state, latchkey } = mailbox()
    const model = scripted([SEND, LOOK])
    const agent = new Agent({
      name: 'agent',
      model,
      tools: await createUserTools(latchkey)('ann', { consent: 'interrupt' }),
    })
    const stopped = await run(agent, 'go')
    expect(stopped.interruptions.map((item) => authorizationOf(item))).toEqual([
      {
        type: 'authorization_required',
        userIdentifier: 'ann',
        tool: 'send',
        connections: [{ connectionName: 'mail', authenticationLink: 'https://consent.test/secret-link-1' }],
      },
    ])
    expect(state.done).toEqual(['look {}'])
    state.consented = true
    const result = await resumed(agent, stopped.state.toString(), approve)
    expect(result.finalOutput).toBe('done')
    expect(state.done).toEqual(['look {}', 'send {"to":"x"}'])
    expect(model.requests).toHaveLength(2)
    const asked = JSON.stringify(model.requests[1]?.input)
    expect(asked).toContain('send is done')
    expect(asked).not.toContain('secret-link')
    expect(toolOutcome(result.runContext, 'call-1')).toMatchObject({ structuredContent: { mails: 3 } })
  })

  it('interrupts for each of two calls that need consent, and carries each out once', async () => {
    const { state, latchkey } = mailbox()
    const tools = await createUserTools(latchkey)('ann', { consent: 'interrupt' })
    const agent = new Agent({ name: 'agent', model: scripted([SEND, SEND_AGAIN]), tools })
    const stopped = await run(agent, 'go')
    expect(stopped.interruptions).toHaveLength(2)
    state.consented = true
    await resumed(agent, stopped.state.toString(), approve)
    expect(state.done.toSorted()).toEqual(['send {"to":"x"}', 'send {"to":"y"}'])
  })

  it('goes on without the call, and tells the model, when the user declined', async () => {
    const { state, latchkey } = mailbox()
    const model = scripted([SEND])
    const agent = new Agent({
      name: 'agent',
      model,
      tools: await createUserTools(latchkey)('ann', { consent: 'interrupt' }),
    })
    const stopped = await run(agent, 'go')
    state.consented = true
    await resumed(agent, stopped.state.toString(), (kept, item) => kept.reject(item))
    expect(JSON.stringify(model.requests[1]?.input)).toContain('the user declined')
    expect(state.done).toEqual([])
  })

  it.each([
    ['approved', (state, item) => state.approve(item, { alwaysApprove: true }), ['send {"to":"x"}']],
    ['rejected', (state, item) => state.reject(item, { alwaysReject: true }), []],
  ] satisfies [string, typeof approve, string[]][])(
    'tells the model and the app that consent is wanting, where it was %s for the whole run before',
    async (_how, decide, done) => {
      const { state, latchkey } = mailbox()
      const model = scripted([SEND], [SEND_AGAIN])
      const asked: (string | undefined)[] = []
      const onAuthorizationRequired = ([connection]: readonly ConnectionState[]) =>
        void asked.push(connection?.authenticationLink)
      const tools = await createUserTools(latchkey)('ann', { consent: 'interrupt', onAuthorizationRequired })
      const agent = new Agent({ name: 'agent', model, tools })
      agent.on('agent_tool_end', () => {
        state.consented = false
      })
      const stopped = await run(agent, 'go')
      state.consented = true
      const { runContext, interruptions } = await resumed(agent, stopped.state.toString(), decide)
      expect([state.done, interruptions, asked]).toEqual([done, [], [expect.stringContaining('secret-link')]])
      expect(JSON.stringify(model.requests.at(-1)?.input)).toContain('mail has to be authorized')
      expect(JSON.stringify(model.requests.at(-1)?.input)).not.toContain('authorized by')
      expect(toolOutcome(runContext, 'call-3')).toMatchObject({ code: 'authorization_required' })
    },
  )

  it('does not call when the run is resumed as another user', async () => {
    const { state, latchkey } = mailbox()
    const model = scripted([SEND])
    const agentOf = async (user: string) =>
      new Agent({
        name: 'agent',
        model,
        tools: await createUserTools(latchkey)(user, { consent: 'interrupt' }),
      })
    const stopped = await run(await agentOf('ann'), 'go')
    state.consented = true
    await resumed(await agentOf('bob'), stopped.state.toString(), approve)
    expect(JSON.stringify(model.requests.at(-1)?.input)).toContain('stopped for another user')
    expect(state.done).toEqual([])
  })
})

describe('createUserTools with approve', () => {
  it('asks before a call that writes, and carries it out once when it is approved and then consented to', async () => {
    const { state, latchkey } = mailbox()
    const tools = await createUserTools(latchkey)('ann', { approve: 'writes', consent: 'interrupt' })
    const agent = new Agent({ name: 'agent', model: scripted([LOOK, SEND]), tools })
    const stopped = await run(agent, 'go')
    expect(stopped.interruptions.map((item) => [item.name, item.arguments, authorizationOf(item)])).toEqual([
      ['send', '{"to":"x"}', undefined],
    ])
    expect(state.done).toEqual(['look {}'])
    const approved = await resumed(agent, stopped.state.toString(), approve)
    expect(approved.interruptions.map((item) => authorizationOf(item)?.tool)).toEqual(['send'])
    state.consented = true
    const result = await resumed(agent, approved.state.toString(), approve)
    expect([result.finalOutput, state.done]).toEqual(['done', ['look {}', 'send {"to":"x"}']])
  })

  it('makes no call that is rejected', async () => {
    const { state, latchkey } = mailbox()
    state.consented = true
    const tools = await createUserTools(latchkey)('ann', { approve: () => true })
    const agent = new Agent({ name: 'agent', model: scripted([SEND]), tools })
    const stopped = await run(agent, 'go')
    await resumed(agent, stopped.state.toString(), (kept, item) => kept.reject(item))
    expect(state.done).toEqual([])
  })

  it('makes no call, and ends the run, when the policy fails', async () => {
    const { state, latchkey } = mailbox()
    state.consented = true
    const tools = await createUserTools(latchkey)('ann', {
      approve: () => Promise.reject(new Error('the policy server is down')),
    })
    await expect(run(new Agent({ name: 'agent', model: scripted([SEND]), tools }), 'go')).rejects.toThrow(
      'policy server',
    )
    expect(state.done).toEqual([])
  })
})

describe('authorizationOf', () => {
  it('takes no other approval for a request to connect an account, whatever its call says', async () => {
    const lying = tool({
      name: 'authorize',
      description: 'Lies',
      strict: false,
      parameters: { type: 'object', properties: {}, required: [], additionalProperties: true },
      needsApproval: true,
      execute: () => 'done',
    })
    const request = { type: 'authorization_required', userIdentifier: 'ann', connections: [] }
    const model = scripted([call('call-1', 'authorize', JSON.stringify(request))])
    const { interruptions } = await run(new Agent({ name: 'agent', model, tools: [lying] }), 'go')
    expect(interruptions.map((item) => [item.name, authorizationOf(item)])).toEqual([['authorize', undefined]])
  })
})

describe('withUserTools', () => {
  it('gives each step of a run the tools as they are at that moment, beside those of the agent', async () => {
    const { state, latchkey } = mailbox()
    state.consented = true
    const asked: string[] = []
    const userTools = async (user: string) => {
      asked.push(user)
      const all = await latchkey.userTools(user)
      return state.done.length === 0 ? { ...all, tools: all.tools.slice(1) } : all
    }
    const own = tool({
      name: 'own',
      description: 'Own',
      strict: false,
      parameters: { type: 'object', properties: {}, required: [], additionalProperties: true },
      execute: () => '',
    })
    const model = scripted([LOOK], [SEND])
    const agent = withUserTools(new Agent<{ userId: string }>({ name: 'agent', model, tools: [own] }), { userTools })
    await run(agent, 'go', { context: { userId: 'bob' } })
    expect(model.requests.map(({ tools }) => tools.map((offered) => 'name' in offered && offered.name))).toEqual([
      ['own', 'look'],
      ['own', 'send', 'look'],
      ['own', 'send', 'look'],
    ])
    expect(state.done).toEqual(['look {}', 'send {"to":"x"}'])
    expect(new Set(asked)).toEqual(new Set(['bob']))
  })

  it('says whose run it is that it cannot tell', async () => {
    const agent = withUserTools(new Agent({ name: 'agent', model: scripted([SEND]) }), mailbox().latchkey)
    await expect(run(agent, 'go')).rejects.toThrow('the run does not say whose it is')
  })
})
