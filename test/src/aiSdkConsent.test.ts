import { ConnectionState, LatchkeyError, type UserTool, type UserTools } from '@latchkey/core'
import {
  callAgain,
  createUserTools,
  pendingAuthorization,
  refreshTools,
  stopOnAuthorization,
} from '@latchkey/vercel-ai'
import { generateText, isStepCount, ToolLoopAgent, type ModelMessage } from 'ai'
import { MockLanguageModelV4 } from 'ai/test'
import { describe, expect, it } from 'vitest'
import * as z from 'zod'

type Content = Awaited<ReturnType<MockLanguageModelV4['doGenerate']>>['content']

/** A mailbox of a user whose consent has ended: `send` needs it, `look` does not. */
function mailbox() {
  const state = { consented: false, done: new Array<string>() }
  const tool = (name: string, isFree: boolean): UserTool => ({
    name,
    mcpName: name,
    title: undefined,
    description: name,
    inputSchema: { type: 'object' },
    outputSchema: undefined,
    annotations: undefined,
    async call(args) {
      const connections = [
        new ConnectionState({
          connectionId: 'c1',
          connectionName: 'mail',
          status: 'EXPIRED',
          authenticationLink: 'https://consent.test/secret-link',
        }),
      ]
      if (!isFree && !state.consented)
        throw new LatchkeyError('authorization_required', 'mail has to be authorized', { connections })
      state.done.push(`${name} ${JSON.stringify(args)}`)
      return { content: [{ type: 'text', text: `${name} is done` }] }
    },
  })
  const report = { renamed: [], dropped: [], unavailable: [] }
  const userTools = async (): Promise<UserTools> => ({
    tools: [tool('send', false), tool('look', true)],
    report,
    missing: [],
  })
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

const SEND = { type: 'tool-call' as const, toolCallId: 'call-1', toolName: 'send', input: '{"to":"x"}' }
const LOOK = { type: 'tool-call' as const, toolCallId: 'call-2', toolName: 'look', input: '{}' }
const GO: ModelMessage[] = [{ role: 'user', content: 'go' }]

describe('stopOnAuthorization', () => {
  it('ends the run with the links in hand, and without them in what the model and the messages get', async () => {
    const { latchkey } = mailbox()
    const tools = await createUserTools(latchkey)('ann')
    const model = scripted([SEND, LOOK])
    const stopWhen = [isStepCount(5), stopOnAuthorization]
    const result = await generateText({ model, tools, messages: GO, stopWhen })
    const pending = pendingAuthorization(result)
    expect(pending?.toolCallIds).toEqual(['call-1'])
    expect(pending?.connections.map(({ authenticationLink }) => authenticationLink)).toEqual([
      'https://consent.test/secret-link',
    ])
    expect(model.doGenerateCalls).toHaveLength(1)
    expect(JSON.stringify(result.responseMessages)).not.toContain('secret-link')
  })

  it('lets a run go on that needs no consent', async () => {
    const { state, latchkey } = mailbox()
    state.consented = true
    const tools = await createUserTools(latchkey)('ann')
    const result = await generateText({
      model: scripted([SEND]),
      tools,
      messages: GO,
      stopWhen: [isStepCount(5), stopOnAuthorization],
    })
    expect([result.text, pendingAuthorization(result)]).toEqual(['done', undefined])
  })
})

describe('callAgain', () => {
  it.each([
    ['alone', [SEND], ['send {"to":"x"}']],
    ['beside another one', [SEND, LOOK], ['look {}', 'send {"to":"x"}']],
  ])(
    'makes the refused call once, as it was, when it stood %s, from messages that were JSON',
    async (_how, calls, done) => {
      const { state, latchkey } = mailbox()
      const stopped = await generateText({
        model: scripted(calls),
        tools: await createUserTools(latchkey)('ann'),
        messages: GO,
        stopWhen: [isStepCount(5), stopOnAuthorization],
      })
      const { toolCallIds } = pendingAuthorization(stopped) ?? { toolCallIds: [] }
      const kept = JSON.stringify({ messages: [...GO, ...stopped.responseMessages], toolCallIds })

      state.consented = true
      const read: { messages: ModelMessage[]; toolCallIds: string[] } = JSON.parse(kept)
      const model = scripted()
      const result = await generateText({
        model,
        tools: await createUserTools(latchkey)('ann'),
        messages: callAgain(read.messages, read.toolCallIds),
        stopWhen: [isStepCount(5), stopOnAuthorization],
      })
      expect(state.done).toEqual(done)
      expect(result.text).toBe('done')
      const prompt = JSON.stringify(model.doGenerateCalls[0]?.prompt)
      expect(prompt).toContain('send is done')
      expect(prompt).not.toContain('has to be authorized')
    },
  )
})

describe('a ToolLoopAgent for many users', () => {
  it('has the tools of the user that each call names', async () => {
    const { state, latchkey } = mailbox()
    state.consented = true
    const asked: string[] = []
    const getTools = createUserTools({
      userTools: async (user) => {
        asked.push(user)
        return await latchkey.userTools()
      },
    })
    const agent = new ToolLoopAgent({
      model: scripted([SEND]),
      callOptionsSchema: z.object({ userId: z.string() }),
      prepareCall: async ({ options, ...rest }) => {
        const tools = await getTools(options.userId)
        return { ...rest, tools, prepareStep: refreshTools(tools) }
      },
    })
    await agent.generate({ messages: GO, options: { userId: 'bob' } })
    expect(state.done).toEqual(['send {"to":"x"}'])
    expect(new Set(asked)).toEqual(new Set(['bob']))
  })
})

describe('refreshTools', () => {
  it.each(['generateText', 'ToolLoopAgent'])(
    'adds the tools that became available to the next step of %s',
    async (how) => {
      const { state, latchkey } = mailbox()
      let isConnected = false
      const userTools = async () => {
        const all = await latchkey.userTools()
        return isConnected ? all : { ...all, tools: all.tools.slice(1) }
      }
      state.consented = true
      const tools = await createUserTools({ userTools })('ann', { require: 'any' })
      const model = scripted([LOOK], [SEND])
      const settings = { model, tools, prepareStep: refreshTools(tools), stopWhen: isStepCount(5) }
      const onStepEnd = () => void (isConnected = true)
      if (how === 'generateText') await generateText({ ...settings, onStepEnd, messages: GO })
      else await new ToolLoopAgent({ ...settings, onStepEnd }).generate({ messages: GO })
      expect(model.doGenerateCalls.map((call) => call.tools?.map(({ name }) => name))).toEqual([
        ['look'],
        ['look', 'send'],
        ['look', 'send'],
      ])
      expect(state.done).toEqual(['look {}', 'send {"to":"x"}'])
    },
  )

  it('does not end the run when the tools cannot be got again', async () => {
    const { latchkey } = mailbox()
    let asked = 0
    const userTools = async () => {
      if ((asked += 1) > 1) throw new LatchkeyError('unavailable', 'down')
      return await latchkey.userTools()
    }
    const tools = await createUserTools({ userTools })('ann')
    const settings = { model: scripted([LOOK]), tools, prepareStep: refreshTools(tools), stopWhen: isStepCount(5) }
    expect((await generateText({ ...settings, messages: GO })).text).toBe('done')
  })

  it("refuses another object's tools as a caller's mistake", () => {
    expect(() => refreshTools({})).toThrow(TypeError)
  })
})
