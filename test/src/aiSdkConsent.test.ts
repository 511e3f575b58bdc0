import { LatchkeyError, type ConnectionState } from '@latchkey/core'
import {
  callAgain,
  createUserTools,
  pendingAuthorization,
  refreshTools,
  stopOnAuthorization,
} from '@latchkey/vercel-ai'
import { generateText, isStepCount, ToolLoopAgent, type ContentPart, type ModelMessage, type ToolSet } from 'ai'
import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { expiredMailbox } from './fixtures/agents/expiredMailbox.ts'
import { scriptedModel } from './fixtures/agents/scriptedModel.ts'

const SEND = { toolCallId: 'call-1', toolName: 'send', input: '{"to":"x"}' }
const LOOK = { toolCallId: 'call-2', toolName: 'look', input: '{}' }
const GO: ModelMessage[] = [{ role: 'user', content: 'go' }]

describe('stopOnAuthorization', () => {
  it('ends the run with the links in hand, and without them in what the model and the messages get', async () => {
    const { latchkey } = expiredMailbox()
    const tools = await createUserTools(latchkey)('ann')
    const model = scriptedModel([SEND, LOOK])
    const stopWhen = [isStepCount(5), stopOnAuthorization]
    const result = await generateText({ model, tools, messages: GO, stopWhen })
    const pending = pendingAuthorization(result)
    expect(pending?.toolCallIds).toEqual(['call-1'])
    expect(pending?.connections.map(({ authenticationLink }) => authenticationLink)).toEqual([
      'https://consent.test/secret-link-1',
    ])
    expect(model.doGenerateCalls).toHaveLength(1)
    expect(JSON.stringify(result.responseMessages)).not.toContain('secret-link')
  })

  it('lets a run go on that needs no consent', async () => {
    const { state, latchkey } = expiredMailbox()
    state.consented = true
    const tools = await createUserTools(latchkey)('ann')
    const result = await generateText({
      model: scriptedModel([SEND]),
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
      const { state, latchkey } = expiredMailbox()
      const stopped = await generateText({
        model: scriptedModel(calls),
        tools: await createUserTools(latchkey)('ann'),
        messages: GO,
        stopWhen: [isStepCount(5), stopOnAuthorization],
      })
      const { toolCallIds } = pendingAuthorization(stopped) ?? { toolCallIds: [] }
      const kept = JSON.stringify({ messages: [...GO, ...stopped.responseMessages], toolCallIds })

      state.consented = true
      const read: { messages: ModelMessage[]; toolCallIds: string[] } = JSON.parse(kept)
      const model = scriptedModel()
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

async function toolsOf(options: object) {
  const { state, latchkey } = expiredMailbox()
  state.consented = true
  return { state, tools: await createUserTools(latchkey)('ann', options) }
}

/** What the messages of the next run end with, when a person has answered what a run has asked. */
function answered(content: ContentPart<ToolSet>[], approved: boolean): ModelMessage[] {
  const asked = content.filter((part) => part.type === 'tool-approval-request')
  const answers = asked.map(({ approvalId }) => ({ type: 'tool-approval-response' as const, approvalId, approved }))
  return [{ role: 'tool', content: answers }]
}

describe('createUserTools with approve', () => {
  it.each([
    [true, ['look {}', 'send {"to":"x"}']],
    [false, ['look {}']],
  ])(
    'asks before a call that is not said to be harmless; it is made only if it is approved (%s)',
    async (approved, done) => {
      const { state, tools } = await toolsOf({ approve: 'destructive' })
      const run = { tools, stopWhen: isStepCount(5) }
      const first = await generateText({ ...run, model: scriptedModel([SEND, LOOK]), messages: GO })
      const asked = first.content.filter((part) => part.type === 'tool-approval-request')
      expect(asked.map(({ toolCall }) => toolCall.toolCallId)).toEqual(['call-1'])
      expect(state.done).toEqual(['look {}'])
      const kept = [...GO, ...first.responseMessages, ...answered(first.content, approved)]
      // In whatever process.
      const messages: ModelMessage[] = JSON.parse(JSON.stringify(kept))
      const second = await generateText({ ...run, model: scriptedModel(), messages })
      expect([state.done, second.text]).toEqual([done, 'done'])
    },
  )

  it('makes no unapproved call when a `toolApproval` of the run takes the place of the question', async () => {
    const { state, tools } = await toolsOf({ approve: 'destructive' })
    const model = scriptedModel([SEND, LOOK])
    await generateText({ model, tools, messages: GO, toolApproval: () => undefined, stopWhen: isStepCount(5) })
    expect(state.done).toEqual(['look {}'])
    expect(JSON.stringify(model.doGenerateCalls.at(-1)?.prompt)).toContain(
      'a person has to approve it, and was not asked',
    )
  })

  it('tells the model, and the app with the link, when an approved call lacks consent', async () => {
    const shown: unknown[] = []
    const onAuthorizationRequired = (connections: readonly ConnectionState[]) =>
      void shown.push(connections[0]?.authenticationLink)
    const { state, tools } = await toolsOf({ approve: 'destructive', onAuthorizationRequired })
    state.consented = false
    const first = await generateText({ tools, model: scriptedModel([SEND]), messages: GO })
    const messages = [...GO, ...first.responseMessages, ...answered(first.content, true)]
    const model = scriptedModel()
    await generateText({ tools, model, messages })
    expect([state.done, shown]).toEqual([[], ['https://consent.test/secret-link-1']])
    expect(JSON.stringify(model.doGenerateCalls)).toContain('mail has to be authorized')
    expect(JSON.stringify(model.doGenerateCalls)).not.toContain('secret-link')
  })

  it('makes no call when it cannot be decided', async () => {
    const down = new Error('the policy server is down')
    const { state, tools } = await toolsOf({ approve: () => Promise.reject(down) })
    await expect(generateText({ model: scriptedModel([SEND]), tools, messages: GO })).rejects.toThrow(down)
    expect(state.done).toEqual([])
  })
})

describe('a ToolLoopAgent for many users', () => {
  it('has the tools of the user that each call names', async () => {
    const { state, latchkey } = expiredMailbox()
    state.consented = true
    const asked: string[] = []
    const getTools = createUserTools({
      userTools: async (user) => {
        asked.push(user)
        return await latchkey.userTools()
      },
    })
    const agent = new ToolLoopAgent({
      model: scriptedModel([SEND]),
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
      const { state, latchkey } = expiredMailbox()
      let isConnected = false
      const userTools = async () => {
        const all = await latchkey.userTools()
        return isConnected ? all : { ...all, tools: all.tools.slice(1) }
      }
      state.consented = true
      const tools = await createUserTools({ userTools })('ann', { require: 'any' })
      const model = scriptedModel([LOOK], [SEND])
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
    const { latchkey } = expiredMailbox()
    let asked = 0
    const userTools = async () => {
      if ((asked += 1) > 1) throw new LatchkeyError('unavailable', 'down')
      return await latchkey.userTools()
    }
    const tools = await createUserTools({ userTools })('ann')
    const settings = { model: scriptedModel([LOOK]), tools, prepareStep: refreshTools(tools), stopWhen: isStepCount(5) }
    expect((await generateText({ ...settings, messages: GO })).text).toBe('done')
  })

  it("refuses another object's tools as a caller's mistake", () => {
    expect(() => refreshTools({})).toThrow(TypeError)
  })
})
