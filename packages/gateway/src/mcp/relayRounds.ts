import type { Connection } from '../domain.ts'
import { AnswerTooLarge, GatewayError } from '../errors.ts'
import { brokenAnswer, invalidUpstream } from '../upstream/failures.ts'
import { JSON_TYPE, mediaType, SSE_TYPE, UPSTREAM_FAILED } from '../upstream/protocol.ts'
import { parseInTurns } from '../upstream/readAnswer.ts'
import { SSE_COMMENT, sseEvent } from '../upstream/sseMessages.ts'
import type { UpstreamAnswer } from '../upstream/upstreamAnswer.ts'
import type { CallTranslation } from './callTranslation.ts'
import type { InboundRequest } from './inbound.ts'
import { ClientRefused, inputRequiredIn, questionsOf, withInput, type AskOptions } from './inputRounds.ts'
import { errorText } from './replies.ts'

export interface RoundsOptions extends AskOptions {
  readonly connection: Connection
  readonly call: InboundRequest
  /** The answer to the first round. */
  readonly first: RoundAnswer
  /** Sends the call of another round. */
  readonly send: (call: InboundRequest) => Promise<RoundAnswer>
  /** The call is over: answered, given up, or the client has gone (`aborted`). */
  readonly onEnd: (how: 'answered' | 'failed' | 'aborted') => void
}

export interface RoundAnswer {
  readonly answer: UpstreamAnswer
  readonly toClient: CallTranslation['toClient']
}

const MAX_ROUNDS = 10
const MAX_EVENT_CHARS = 1024 * 1024
const STREAM_HEADERS = { 'content-type': SSE_TYPE, 'cache-control': 'no-store', 'x-accel-buffering': 'no' }

/**
 * Brings the answer of a 2026-07-28 upstream to a client of the 2025 era that can be asked. Where the upstream needs
 * input, the client gets the questions as requests on the stream of its call, and the call goes on with what it
 * answers. The questions wait in this process: a response that comes to another replica does not reach them.
 */
export function relayRounds(options: RoundsOptions): Response {
  const messages = rounds(options)
  const encoder = new TextEncoder()
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { value, done } = await messages.next()
        if (done === true) controller.close()
        else controller.enqueue(encoder.encode(value))
      },
      async cancel() {
        options.onEnd('aborted')
        await messages.return(undefined)
      },
    },
    { highWaterMark: 0 },
  )
  return new Response(stream, { status: 200, headers: STREAM_HEADERS })
}

async function* rounds(options: RoundsOptions): AsyncGenerator<string, undefined> {
  const { call, send, connection, signal, onEnd } = options
  try {
    let current = options.first
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const next = yield* oneRound(current, options)
      if (next === undefined) {
        onEnd('answered')
        return undefined
      }
      current = await send(next)
    }
    throw invalidUpstream(connection, `asked for input more than ${MAX_ROUNDS} times`)
  } catch (error) {
    onEnd(signal.aborted ? 'aborted' : 'failed')
    const isOurs =
      (error instanceof GatewayError && !(error instanceof AnswerTooLarge)) || error instanceof ClientRefused
    const { message } = isOurs ? error : brokenAnswer(connection, error)
    yield sseEvent(errorText(call.id, { code: UPSTREAM_FAILED, message, data: { connection: connection.name } }))
    return undefined
  }
}

/** Gives what is to be sent next; undefined after the final answer. */
async function* oneRound(
  { answer, toClient }: RoundAnswer,
  options: RoundsOptions,
): AsyncGenerator<string, InboundRequest | undefined> {
  for await (const text of messagesOf(answer, options.connection)) {
    if (text === undefined) {
      yield SSE_COMMENT
      continue
    }
    const required = inputRequiredIn(text)
    if (required !== undefined) {
      const questions = questionsOf(required, options)
      if (questions === undefined) throw invalidUpstream(options.connection, 'asks what its client cannot be asked')
      for (const question of questions) yield sseEvent(question.text)
      const answers = Object.fromEntries(await Promise.all(questions.map(({ answer: given }) => given)))
      return withInput(options.call, answers, required.requestState)
    }
    const translated = toClient(text, await parseInTurns(text))
    if (translated.kind === 'forward' || translated.kind === 'final') yield sseEvent(translated.text)
    if (translated.kind === 'final') return undefined
  }
  throw invalidUpstream(options.connection, 'ended its answer before it was complete')
}

/** The messages of an answer, whichever way it comes; undefined for a sign of life. */
async function* messagesOf(answer: UpstreamAnswer, connection: Connection): AsyncGenerator<string | undefined> {
  const type = mediaType(answer.headers['content-type'])
  if (type === JSON_TYPE) {
    yield await answer.text()
    return
  }
  if (type !== SSE_TYPE || !answer.ok) {
    answer.discard()
    throw invalidUpstream(connection, `answered with status ${answer.status} and without an MCP message`)
  }
  const reader = answer.events(MAX_EVENT_CHARS)
  try {
    for (;;) {
      const item = await reader.next()
      if (item === undefined) return
      yield item.kind === 'message' ? item.data : undefined
    }
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}
