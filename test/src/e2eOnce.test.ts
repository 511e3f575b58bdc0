import { Command, interrupt, MemorySaver } from '@langchain/langgraph'
import { createUserTools as createLangChainTools, type ApprovalInterrupt } from '@latchkey/langchain'
import {
  callAgain,
  createUserTools as createAiSdkTools,
  pendingAuthorization,
  stopOnAuthorization,
} from '@latchkey/vercel-ai'
import type { AgentToolsOptions, AuthorizationRequest } from '@latchkey/core'
import { generateText, isStepCount, type ModelMessage } from 'ai'
import { AIMessage, createAgent, fakeModel } from 'langchain'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { scriptedModel } from './fixtures/agents/scriptedModel.ts'
import { streamingModel, TestChat } from './fixtures/agents/testChat.ts'
import { consentAs, type Stack, startStack } from './fixtures/index.ts'

const MAIL = { to: 'x@y.example', subject: 's', body: 'b' }
const EVENT = { title: 'Offsite', start: '2026-09-01T10:00:00Z', end: '2026-09-01T11:00:00Z' }
const CALLS = [
  { id: 'call-1', name: 'mail__send_mail', args: MAIL },
  { id: 'call-2', name: 'calendar__create_event', args: EVENT },
  { id: 'call-3', name: 'directory__whoami', args: {} },
]
const THREAD = { configurable: { thread_id: 'thread' } }
const GO = { role: 'user' as const, content: 'go' }
const AI_SDK_CALLS = CALLS.map(({ id, name, args }) => ({
  toolCallId: id,
  toolName: name,
  input: JSON.stringify(args),
}))

interface Open {
  readonly id: string
  readonly value: AuthorizationRequest | ApprovalInterrupt
}

const openOf = (result: object): Open[] => Reflect.get(result, '__interrupt__') ?? []

const linksOf = (open: Open[]) =>
  open.flatMap(({ value }) =>
    value.type === 'authorization_required' ? value.connections.map((state) => state.authenticationLink) : [],
  )

async function consentTo(user: string, links: readonly (string | undefined)[]): Promise<void> {
  for (const link of links) await consentAs(user, link ?? '')
}

describe('three calls at once of which two need consent, over the whole stack', () => {
  let stack: Stack
  beforeAll(async () => {
    const configs = {
      'email-agent': { mail: ['send_mail', 'whoami'], calendar: ['create_event'], directory: ['whoami'] },
    } as const
    stack = await startStack({ configs })
  })
  afterAll(async () => await stack[Symbol.asyncDispose]())

  /** What the upstreams have carried out for this user: the mail, the event, the look-up. */
  const carriedOut = (user: string) => [
    stack.mail.calls.all.filter((call) => call.user === user).map((call) => call.arguments),
    stack.calendar.calls.all.filter((call) => call.user === user).map((call) => call.arguments),
    stack.directory.calls.count(user, 'whoami'),
  ]
  const NOTHING_ELSE = [[], [], 1]
  const ALL_ONCE = [[MAIL], [EVENT], 1]

  async function stoppedLangGraph(user: string, options: object = {}) {
    await stack.connectAll(user)
    const tools = await createLangChainTools(stack.latchkey)(user, { interrupt, ...options })
    stack.authorizationServer.revokeUser(user)
    const model = fakeModel().respondWithTools(CALLS).respond(new AIMessage('done'))
    const agent = createAgent({ model, tools, checkpointer: new MemorySaver() })
    const open = openOf(await agent.invoke({ messages: [GO] }, THREAD))
    const resume = async (with_: unknown, signal?: AbortSignal) =>
      openOf(await agent.invoke(new Command({ resume: with_ }), { ...THREAD, ...(signal && { signal }) }))
    return { open, resume, model }
  }

  async function stoppedAiSdk(user: string) {
    await stack.connectAll(user)
    const tools = await createAiSdkTools(stack.latchkey)(user)
    stack.authorizationServer.revokeUser(user)
    const run = { tools, stopWhen: [isStepCount(5), stopOnAuthorization] }
    const result = await generateText({ ...run, model: scriptedModel(AI_SDK_CALLS), messages: [GO] })
    const pending = pendingAuthorization(result)
    const messages: ModelMessage[] = [GO, ...result.responseMessages]
    const again = async (abortSignal?: AbortSignal) =>
      await generateText({
        ...run,
        model: scriptedModel(),
        messages: callAgain(messages, pending?.toolCallIds ?? []),
        ...(abortSignal && { abortSignal }),
      })
    return { links: pending?.connections.map(({ authenticationLink }) => authenticationLink) ?? [], again }
  }

  describe('in LangGraph', () => {
    it('carries each out once, whichever is resumed first, by its id', async () => {
      const { open, resume, model } = await stoppedLangGraph('ann')
      expect(open.map(({ value }) => value.tool)).toEqual(['mail__send_mail', 'calendar__create_event'])
      expect(carriedOut('ann')).toEqual(NOTHING_ELSE)
      const [mail, calendar] = open
      await consentTo('ann', linksOf(open.slice(1)))
      expect((await resume({ [calendar?.id ?? '']: 'connected' })).map(({ value }) => value.tool)).toEqual([
        'mail__send_mail',
      ])
      expect(carriedOut('ann')).toEqual([[], [EVENT], 1])
      await consentTo('ann', linksOf(open.slice(0, 1)))
      expect(await resume({ [mail?.id ?? '']: 'connected' })).toEqual([])
      expect(carriedOut('ann')).toEqual(ALL_ONCE)
      expect(model.callCount).toBe(2)
    })

    it('carries nothing out of a run that is aborted as it is resumed, and each once when it is resumed again', async () => {
      const { open, resume } = await stoppedLangGraph('bob')
      await consentTo('bob', linksOf(open))
      const all = Object.fromEntries(open.map(({ id }) => [id, 'connected']))
      await expect(resume(all, AbortSignal.abort())).rejects.toThrow(/abort/i)
      expect(carriedOut('bob')).toEqual(NOTHING_ELSE)
      expect(await resume(all)).toEqual([])
      expect(carriedOut('bob')).toEqual(ALL_ONCE)
    })

    it('has each approved, and then consented to, by its id', async () => {
      const { open, resume } = await stoppedLangGraph('carol', { approve: 'writes' })
      expect(open.map(({ value }) => [value.type, value.tool])).toEqual([
        ['approval_required', 'mail__send_mail'],
        ['approval_required', 'calendar__create_event'],
      ])
      const lacking = await resume(Object.fromEntries(open.map(({ id }) => [id, { type: 'approve' }])))
      expect(lacking.map(({ value }) => value.type)).toEqual(['authorization_required', 'authorization_required'])
      expect(carriedOut('carol')).toEqual(NOTHING_ELSE)
      await consentTo('carol', linksOf(lacking))
      expect(await resume(Object.fromEntries(lacking.map(({ id }) => [id, 'connected'])))).toEqual([])
      expect(carriedOut('carol')).toEqual(ALL_ONCE)
    })
  })

  describe('in the AI SDK', () => {
    it('carries each out once', async () => {
      const { links, again } = await stoppedAiSdk('dave')
      expect(carriedOut('dave')).toEqual(NOTHING_ELSE)
      await consentTo('dave', links)
      expect((await again()).text).toBe('done')
      expect(carriedOut('dave')).toEqual(ALL_ONCE)
    })

    it('carries nothing out of a run that is aborted as it goes on, and each once when it goes on again', async () => {
      const { links, again } = await stoppedAiSdk('erin')
      await consentTo('erin', links)
      await again(AbortSignal.abort())
      expect(carriedOut('erin')).toEqual(NOTHING_ELSE)
      await again()
      expect(carriedOut('erin')).toEqual(ALL_ONCE)
    })

    it('carries each out once in a chat, through approval requests with the links', async () => {
      await stack.connectAll('frank')
      const options = { approve: 'writes' as const }
      const getTools = async () => await createAiSdkTools(stack.latchkey)('frank', options)
      const tools = await getTools()
      stack.authorizationServer.revokeUser('frank')
      const chat = new TestChat(streamingModel(AI_SDK_CALLS), async () => tools)
      await chat.sendMessage({ text: 'go' })
      expect(chat.asked.map(({ requestReason }) => requestReason)).toEqual([undefined, undefined])
      await chat.answerAll(true)
      expect(carriedOut('frank')).toEqual(NOTHING_ELSE)
      await consentTo(
        'frank',
        chat.asked.map(({ requestReason }) => requestReason),
      )
      const later = new TestChat(streamingModel(), getTools, JSON.parse(JSON.stringify(chat.messages)))
      await later.answerAll(true)
      expect(carriedOut('frank')).toEqual(ALL_ONCE)
      expect([later.error, later.lastMessage?.parts.at(-1)]).toMatchObject([undefined, { text: 'done' }])
    })
  })

  describe.each([
    [
      'LangChain',
      async (user: string, options: AgentToolsOptions) => {
        const tools = await createLangChainTools(stack.latchkey)(user, options)
        const tool = tools.find(({ name }) => name === 'mail__send_mail')
        return async (signal: AbortSignal): Promise<unknown> => {
          const call = { type: 'tool_call' as const, id: 'call-1', name: 'mail__send_mail', args: MAIL }
          const message = await tool?.invoke(call, { signal })
          return message?.artifact
        }
      },
    ],
    [
      'the AI SDK',
      async (user: string, options: AgentToolsOptions) => {
        const tools = await createAiSdkTools(stack.latchkey)(user, options)
        const given = { toolCallId: 'call-1', messages: [], context: undefined }
        return async (abortSignal: AbortSignal): Promise<unknown> =>
          await tools['mail__send_mail']?.execute?.(MAIL, { ...given, abortSignal })
      },
    ],
  ])('that wait for it, in %s', (framework, toolOf) => {
    it.each(['abort', 'deadline'] as const)(
      'are not carried out after the %s, though consent comes then',
      async (end) => {
        const user = `gina, ${framework}, ${end}`
        await stack.connectAll(user)
        const controller = new AbortController()
        let link: string | undefined
        const call = await toolOf(user, {
          consent: 'wait',
          authorizationTimeoutMs: end === 'deadline' ? 300 : 60_000,
          onAuthorizationRequired: ([connection]) => {
            link = connection?.authenticationLink
            if (end === 'abort') controller.abort()
          },
        })
        stack.authorizationServer.revokeUser(user)
        const outcome = await call(controller.signal).catch((error: unknown) => error)
        const code = end === 'abort' ? /abort/i : /the time to authorize is over/
        expect(String(outcome)).toMatch(code)
        await consentAs(user, link ?? '')
        const { tools } = await stack.latchkey.userTools(user, { require: ['mail'] })
        await tools.find(({ name }) => name === 'mail__whoami')?.call({})
        expect(stack.mail.calls.count(user, 'send_mail')).toBe(0)
      },
    )
  })
})
