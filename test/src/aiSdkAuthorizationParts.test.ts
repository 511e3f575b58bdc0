import { ConnectionState, LatchkeyError, type UserTool, type UserTools } from '@latchkey/core'
import {
  authorizationParts,
  callAgain,
  createUserTools,
  pendingAuthorization,
  stopOnAuthorization,
  type AuthorizationDataParts,
} from '@latchkey/vercel-ai'
import {
  convertToModelMessages,
  createUIMessageStream,
  isStepCount,
  simulateReadableStream,
  streamText,
  toUIMessageStream,
  type UIMessage,
} from 'ai'
import { MockLanguageModelV4 } from 'ai/test'
import { describe, expect, it } from 'vitest'

type ChatMessage = UIMessage<never, AuthorizationDataParts>
type StreamResult = Awaited<ReturnType<MockLanguageModelV4['doStream']>>
type Chunk = StreamResult['stream'] extends ReadableStream<infer Part> ? Part : never

const LINK = 'https://consent.test/secret-link'
const EXPIRES_AT = new Date('2026-07-28T10:00:00Z')
const ID = 'latchkey-authorization-mail'
const QUESTION: ChatMessage = { id: 'q', role: 'user', parts: [{ type: 'text', text: 'go' }] }

function stateOf(connectionName: string, status = 'PENDING_AUTH', link: string | undefined = LINK): ConnectionState {
  return new ConnectionState({
    connectionId: `conn_${connectionName}`,
    connectionName,
    status,
    authenticationLink: link,
    authenticationLinkExpiresAt: link === undefined ? undefined : EXPIRES_AT,
  })
}

describe('authorizationParts', () => {
  it('gives a card with its link for each connection that is pending, and none with a link for one that is ACTIVE', () => {
    expect(authorizationParts([stateOf('mail'), stateOf('calendar', 'ACTIVE')])).toEqual([
      {
        type: 'data-latchkey-authorization',
        id: ID,
        data: {
          connectionName: 'mail',
          status: 'required',
          authenticationLink: LINK,
          expiresAt: '2026-07-28T10:00:00.000Z',
        },
      },
      {
        type: 'data-latchkey-authorization',
        id: 'latchkey-authorization-calendar',
        data: { connectionName: 'calendar', status: 'connected' },
      },
    ])
  })

  it('makes the cards that were shown connected, once, when they are not pending any more', () => {
    const shown = authorizationParts([stateOf('mail'), stateOf('calendar')])
    const cards = authorizationParts([stateOf('calendar')], [{ type: 'text' }, ...shown]).map(({ data }) => data)
    expect(cards.map(({ connectionName, status }) => [connectionName, status])).toEqual([
      ['calendar', 'required'],
      ['mail', 'connected'],
    ])
    expect(authorizationParts([], authorizationParts([stateOf('mail', 'ACTIVE')]))).toEqual([])
  })
})

/** A user whose consent for mail has ended, and a chat over it. */
function chat() {
  const state = { consented: false, done: new Array<unknown>() }
  const send: UserTool = {
    name: 'send',
    mcpName: 'send',
    title: undefined,
    description: 'send',
    inputSchema: { type: 'object' },
    outputSchema: undefined,
    annotations: undefined,
    async call(args) {
      const connections = [stateOf('mail', 'EXPIRED')]
      if (!state.consented)
        throw new LatchkeyError('authorization_required', 'mail has to be authorized', { connections })
      state.done.push(args)
      return { content: [{ type: 'text', text: 'sent' }] }
    },
  }
  const report = { renamed: [], dropped: [], unavailable: [] }
  const userTools = createUserTools({
    userTools: async (): Promise<UserTools> => ({ tools: [send], report, missing: [] }),
  })
  const model = new MockLanguageModelV4({
    doStream: async ({ prompt }) => streamOf(prompt.some(({ role }) => role === 'tool') ? SAY : CALL),
  })
  let refused: readonly string[] = []

  /** Answers the last message, or goes on with it; gives the messages afterwards, and all that went over the wire. */
  async function answer(messages: ChatMessage[]): Promise<{ messages: ChatMessage[]; wire: string }> {
    const ended = Promise.withResolvers<ChatMessage[]>()
    const stream = createUIMessageStream<ChatMessage>({
      originalMessages: messages,
      async execute({ writer }) {
        const pending = state.consented ? [] : refused.map(() => stateOf('mail'))
        for (const part of authorizationParts(pending, messages.at(-1)?.parts)) writer.write(part)
        const tools = await userTools('ann')
        const result = streamText({
          model,
          tools,
          messages: callAgain(await convertToModelMessages(messages, { tools }), refused),
          stopWhen: [isStepCount(5), stopOnAuthorization],
        })
        writer.merge(toUIMessageStream({ stream: result.stream }))
        const stopped = pendingAuthorization({ steps: await result.steps })
        refused = stopped?.toolCallIds ?? []
        for (const part of authorizationParts(stopped?.connections ?? [])) writer.write(part)
      },
      onEnd: (event) => ended.resolve(event.messages),
    })
    const wire = await wireOf(stream)
    return { messages: await ended.promise, wire }
  }
  return { state, model, answer }
}

/** What a stream sends, a line for each chunk. */
async function wireOf(stream: ReadableStream<unknown>): Promise<string> {
  const lines = new Array<string>()
  for await (const chunk of stream) lines.push(JSON.stringify(chunk))
  return lines.join('\n')
}

const CALL: Chunk[] = [{ type: 'tool-call', toolCallId: 'call-1', toolName: 'send', input: '{"to":"x"}' }]
const SAY: Chunk[] = [
  { type: 'text-start', id: 't' },
  { type: 'text-delta', id: 't', delta: 'It is sent.' },
  { type: 'text-end', id: 't' },
]

function streamOf(content: Chunk[]): StreamResult {
  const usage = {
    inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
    outputTokens: { total: 1, text: 1, reasoning: 0 },
  }
  const unified = content === CALL ? ('tool-calls' as const) : ('stop' as const)
  const finish: Chunk = { type: 'finish', finishReason: { unified, raw: undefined }, usage }
  const chunks: Chunk[] = [{ type: 'stream-start', warnings: [] }, ...content, finish]
  return { stream: simulateReadableStream({ chunks, chunkDelayInMs: null, initialDelayInMs: null }) }
}

describe('a chat that shows authorizationParts', () => {
  it('shows the card where a run stopped, and the same card as connected when the same call went on, once', async () => {
    const { state, answer } = chat()
    const stopped = await answer([QUESTION])
    expect(stopped.messages.at(-1)?.parts).toContainEqual(authorizationParts([stateOf('mail')])[0])

    state.consented = true
    const { messages } = await answer(stopped.messages)
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant'])
    const parts = messages.at(-1)?.parts ?? []
    expect(parts.filter(({ type }) => type === 'data-latchkey-authorization')).toEqual(
      authorizationParts([stateOf('mail', 'ACTIVE')]),
    )
    expect(parts).toContainEqual(expect.objectContaining({ toolCallId: 'call-1', state: 'output-available' }))
    expect(parts.at(-1)).toMatchObject({ type: 'text', text: 'It is sent.' })
    expect(state.done).toEqual([{ to: 'x' }])
    expect(JSON.stringify(messages)).not.toContain(LINK)
  })

  it('tells the link to the stream in its card alone, and never to the model', async () => {
    const { state, model, answer } = chat()
    const stopped = await answer([QUESTION])
    expect(stopped.wire.split('\n').filter((line) => line.includes(LINK))).toEqual([
      JSON.stringify(authorizationParts([stateOf('mail')])[0]),
    ])
    expect(JSON.stringify(await convertToModelMessages(stopped.messages))).not.toMatch(/secret-link|latchkey-auth/)
    state.consented = true
    await answer(stopped.messages)
    expect(model.doStreamCalls).toHaveLength(2)
    expect(JSON.stringify(model.doStreamCalls)).not.toMatch(/secret-link|latchkey-auth/)
  })

  it('keeps a transient card in no message', async () => {
    const ended = Promise.withResolvers<ChatMessage[]>()
    const stream = createUIMessageStream<ChatMessage>({
      execute: ({ writer }) => {
        for (const part of authorizationParts([stateOf('mail')])) writer.write({ ...part, transient: true })
      },
      onEnd: ({ messages }) => ended.resolve(messages),
    })
    expect(await wireOf(stream)).toContain(LINK)
    expect(JSON.stringify(await ended.promise)).not.toContain(LINK)
  })
})
