import { createUserTools, pendingAuthorization, authorizationAsApproval } from '@latchkey/vercel-ai'
import { convertToModelMessages, isStepCount, streamText, type ModelMessage, type ToolSet, type UIMessage } from 'ai'
import { describe, expect, it } from 'vitest'
import { expiredMailbox } from './fixtures/agents/expiredMailbox.ts'
import { streamingModel, TestChat, type ToolCall } from './fixtures/agents/testChat.ts'

const SEND = { toolCallId: 'call-1', toolName: 'send', input: '{"to":"x"}' }
const LOOK = { toolCallId: 'call-2', toolName: 'look', input: '{}' }
const LINK = 'https://consent.test/secret-link-'
const GO: ModelMessage[] = [{ role: 'user', content: 'go' }]

/** A chat whose model has made these calls of a user whose consent has ended. */
async function chatAfter(calls: ToolCall[], options: object = {}) {
  const { state, latchkey } = expiredMailbox()
  const model = streamingModel(calls)
  const getTools = async () => await createUserTools(latchkey)('ann', options)
  const chat = new TestChat(model, getTools)
  await chat.sendMessage({ text: 'go' })
  const reasons = () => chat.asked.map(({ requestReason }) => requestReason)
  return { state, model, chat, getTools, reasons, prompts: () => JSON.stringify(model.doStreamCalls) }
}

const resultsOf = ({ calls }: TestChat) =>
  calls.map((part) => [part.toolCallId, part.state, JSON.stringify(part.input), JSON.stringify(part.output) ?? ''])

describe('authorizationAsApproval, in a chat', () => {
  it('asks with the link, ends the run there, and makes the same call once when its user has consented', async () => {
    const { state, model, chat, reasons, prompts } = await chatAfter([SEND, LOOK])
    expect(reasons()).toEqual([`${LINK}1`])
    expect(chat.asked[0]?.id).toMatch(/^latchkey-authorization-/)
    expect([state.done, chat.error]).toEqual([['look {}'], undefined])
    expect(model.doStreamCalls).toHaveLength(1)

    state.consented = true
    await chat.answerAll(true)
    expect(state.done).toEqual(['look {}', 'send {"to":"x"}'])
    expect(resultsOf(chat)).toEqual([
      ['call-1', 'output-available', '{"to":"x"}', expect.stringContaining('send is done')],
      ['call-2', 'output-available', '{}', expect.stringContaining('look is done')],
    ])
    expect([chat.lastMessage?.parts.at(-1), chat.error]).toMatchObject([{ type: 'text', text: 'done' }, undefined])
    expect(model.doStreamCalls).toHaveLength(2)
    expect(prompts()).toContain('send is done')
    expect(prompts()).not.toMatch(/secret-link|has to be authorized/)
  })

  it('goes on from messages that were put away, on another page and server', async () => {
    const { state, chat, getTools } = await chatAfter([SEND])
    const kept: UIMessage[] = JSON.parse(JSON.stringify(chat.messages))
    const later = new TestChat(streamingModel(), getTools, kept)
    state.consented = true
    await later.answerAll(true)
    expect(state.done).toEqual(['send {"to":"x"}'])
    await later.sendMessage({ text: 'thanks' })
    expect([state.done, later.error]).toEqual([['send {"to":"x"}'], undefined])
  })

  it('asks once more, with a fresh link and before the model is, when its user has not consented yet', async () => {
    const { state, model, chat, reasons } = await chatAfter([SEND])
    for (const count of [2, 3]) {
      await chat.answerAll(true)
      expect([reasons(), state.done, chat.error]).toEqual([[`${LINK}${count}`], [], undefined])
    }
    expect(model.doStreamCalls).toHaveLength(1)
    state.consented = true
    await chat.answerAll(true)
    expect(state.done).toEqual(['send {"to":"x"}'])
  })

  it('has a call approved, and then consented to, and makes each of two calls once', async () => {
    const { state, model, chat, reasons } = await chatAfter([SEND, LOOK], { approve: () => true })
    expect([reasons(), state.done]).toEqual([[undefined, undefined], []])
    await chat.answerAll(true)
    expect([reasons(), state.done]).toEqual([[`${LINK}1`], ['look {}']])
    expect(model.doStreamCalls).toHaveLength(1)
    state.consented = true
    await chat.answerAll(true)
    expect(state.done).toEqual(['look {}', 'send {"to":"x"}'])
    expect(resultsOf(chat).map(([, partState]) => partState)).toEqual(['output-available', 'output-available'])
  })

  it('makes no call, and tells the model, when its user will not', async () => {
    const { state, chat, prompts } = await chatAfter([SEND])
    state.consented = true
    await chat.answerAll(false)
    expect([state.done, chat.error]).toEqual([[], undefined])
    expect(prompts()).toContain('execution-denied')
  })

  it.each([
    [true, ['send {"to":"x"}']],
    [false, []],
  ])(
    'has the model go on when the tools of all requests are one object, and the answer is %s',
    async (answer, done) => {
      const { state, latchkey } = expiredMailbox()
      const tools = await createUserTools(latchkey)('ann')
      const chat = new TestChat(streamingModel([SEND]), async () => tools)
      await chat.sendMessage({ text: 'go' })
      state.consented = true
      await chat.answerAll(answer)
      expect(state.done).toEqual(done)
      expect(chat.lastMessage?.parts.at(-1)).toMatchObject({ type: 'text', text: 'done' })
    },
  )

  it('makes no call when the request is aborted', async () => {
    const { state, model, chat, getTools } = await chatAfter([SEND])
    state.consented = true
    const tools = await getTools()
    const messages = await convertToModelMessages(chat.messages, { tools })
    const approvalId = chat.asked[0]?.id ?? ''
    messages.push({ role: 'tool', content: [{ type: 'tool-approval-response', approvalId, approved: true }] })
    const settings = { model, tools, messages, ...authorizationAsApproval(tools) }
    await streamText({ ...settings, abortSignal: AbortSignal.abort() }).consumeStream()
    expect(state.done).toEqual([])
    await streamText(settings).consumeStream()
    expect(state.done).toEqual(['send {"to":"x"}'])
  })
})

const run = (tools: ToolSet, model: ReturnType<typeof streamingModel>, settings: object = {}) =>
  streamText({ model, tools, messages: GO, ...authorizationAsApproval(tools, settings) })

describe('authorizationAsApproval', () => {
  it('gives settings with which a run that has stopped says what it lacks', async () => {
    const { latchkey } = expiredMailbox()
    const result = run(await createUserTools(latchkey)('ann'), streamingModel([SEND, LOOK]))
    const pending = pendingAuthorization({ steps: await result.steps })
    expect(pending?.toolCallIds).toEqual(['call-1'])
    expect(pending?.connections.map(({ authenticationLink }) => authenticationLink)).toEqual([`${LINK}1`])
  })

  it('leaves it to the model to go on after an earlier refusal of the same tools', async () => {
    const { state, latchkey } = expiredMailbox()
    const tools = await createUserTools(latchkey)('ann')
    await run(tools, streamingModel([SEND])).consumeStream()
    state.consented = true
    expect(await run(tools, streamingModel([SEND])).text).toBe('done')
    expect(state.done).toEqual(['send {"to":"x"}'])
  })

  it("keeps the app's own conditions, and has new tools in the next step", async () => {
    const { state, latchkey } = expiredMailbox()
    let asked = 0
    const userTools = async () => {
      const all = await latchkey.userTools()
      return (asked += 1) < 3 ? { ...all, tools: all.tools.slice(1) } : all
    }
    state.consented = true
    const model = streamingModel([LOOK], [SEND], [SEND])
    const steps: number[] = []
    const prepareStep = ({ stepNumber }: { stepNumber: number }) => void steps.push(stepNumber)
    const tools = await createUserTools({ userTools })('ann', { require: 'any' })
    await run(tools, model, { stopWhen: isStepCount(2), prepareStep }).consumeStream()
    expect(model.doStreamCalls.map((call) => call.tools?.map(({ name }) => name))).toEqual([['look'], ['look', 'send']])
    expect([steps, state.done]).toEqual([
      [0, 1],
      ['look {}', 'send {"to":"x"}'],
    ])
  })

  it("refuses another object's tools as a caller's mistake", () => {
    expect(() => authorizationAsApproval({})).toThrow(TypeError)
  })
})
