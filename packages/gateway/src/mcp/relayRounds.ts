import type { Connection } from '../domain.ts'
import { AnswerTooLarge, GatewayError } from '../errors.ts'
import { brokenAnswer, invalidUpstream, unexpectedAnswer } from '../upstream/failures.ts'
import { JSON_TYPE, mediaType, SSE_TYPE, UPSTREAM_FAILED } from '../upstream/protocol.ts'
import { parseInTurns } from '../upstream/readAnswer.ts'
import { SSE_COMMENT, sseEvent } from '../upstream/sseMessages.ts'
import type { UpstreamAnswer } from '../upstream/upstreamAnswer.ts'
import type { CallTranslation } from './callTranslation.ts'
import type { InboundRequest } from './inbound.ts'
import {
  ClientRefused,
  inputRequiredIn,
  questionsOf,
  withInput,
  type AskOptions,
  type InputRequired,
} from './inputRounds.ts'
import { KEEP_ALIVE_MS } from './keepAlive.ts'
import { errorText } from './replies.ts'

export interface RoundsOptions extends AskOptions {
  readonly connection: Connection
  readonly call: InboundRequest
  /** The answer to the first round. */
  readonly first: RoundAnswer
  /** Sends the call of another round. */
  readonly send: (call: InboundRequest) => Promise<RoundAnswer>
  /** What the client is told where a later round could not be sent. */
  readonly failureText: (error: GatewayError) => Promise<string>
  /** The upstream has answered with something that is not MCP. */
  readonly onUnexpectedAnswer: (status: number) => void
  /** The call is over: answered, given up, or the client has gone (`aborted`). */
  readonly onEnd: (how: 'answered' | 'failed' | 'aborted') => void
}

export interface RoundAnswer {
  readonly answer: UpstreamAnswer
  readonly toClient: CallTranslation['toClient']
}

const MAX_ROUNDS = 10
/** As long as an upstream may take: a person answers. */
const ANSWER_TIMEOUT_MS = 10 * 60_000
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
  let coming: Promise<IteratorResult<string, undefined>> | undefined
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        coming ??= messages.next()
        const next = await orSilence(coming)
        if (next !== undefined) coming = undefined
        if (next?.done === true) controller.close()
        else controller.enqueue(encoder.encode(next?.value ?? SSE_COMMENT))
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

/** Undefined where it is time for a sign of life. */
async function orSilence<T>(coming: Promise<T>): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => resolve(undefined), KEEP_ALIVE_MS).unref()
  try {
    return await Promise.race([coming, promise])
  } finally {
    clearTimeout(timer)
  }
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
      try {
        current = await send(next)
      } catch (error) {
        if (signal.aborted || !(error instanceof GatewayError)) throw error
        onEnd('failed')
        yield sseEvent(await options.failureText(error))
        return undefined
      }
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
  for await (const text of messagesOf(answer, options)) {
    if (text === undefined) {
      yield SSE_COMMENT
      continue
    }
    const message = await parseInTurns(text)
    const required = inputRequiredIn(text, message)
    if (required !== undefined) {
      return withInput(options.call, yield* answersTo(required, options), required.requestState)
    }
    const translated = toClient(text, message)
    if (translated.kind === 'forward' || translated.kind === 'final') yield sseEvent(translated.text)
    if (translated.kind === 'final') return undefined
  }
  if (isJson(answer)) throw notMcp(answer, options)
  throw invalidUpstream(options.connection, 'ended its answer before it was complete')
}

/** Asks the client, and gives what it has answered to each question. Nobody waits for its answers after that. */
async function* answersTo(
  required: InputRequired,
  options: RoundsOptions,
): AsyncGenerator<string, Readonly<Record<string, string>>> {
  const over = new AbortController()
  const timer = setTimeout(() => over.abort(new ClientRefused()), ANSWER_TIMEOUT_MS).unref()
  try {
    const signal = AbortSignal.any([options.signal, over.signal])
    const questions = questionsOf(required, { ...options, signal })
    if (questions === undefined) throw invalidUpstream(options.connection, 'asks what its client cannot be asked')
    for (const question of questions) yield sseEvent(question.text)
    return Object.fromEntries(await Promise.all(questions.map(({ answer }) => answer)))
  } finally {
    clearTimeout(timer)
    over.abort()
  }
}

function notMcp({ status }: UpstreamAnswer, { connection, onUnexpectedAnswer }: RoundsOptions): GatewayError {
  onUnexpectedAnswer(status)
  return unexpectedAnswer(connection, status)
}

function isJson({ headers }: UpstreamAnswer): boolean {
  return mediaType(headers['content-type']) === JSON_TYPE
}

/** The messages of an answer, whichever way it comes; undefined for a sign of life. */
async function* messagesOf(answer: UpstreamAnswer, options: RoundsOptions): AsyncGenerator<string | undefined> {
  if (isJson(answer)) {
    yield await answer.text()
    return
  }
  if (mediaType(answer.headers['content-type']) !== SSE_TYPE || !answer.ok) {
    answer.discard()
    throw notMcp(answer, options)
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
