import type { Connection } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { pauseAfter } from '../longText.ts'
import { brokenAnswer, unavailable, unexpectedAnswer } from '../upstream/failures.ts'
import { JSON_TYPE, mediaType, SSE_TYPE, UPSTREAM_FAILED, type Era, type RequestId } from '../upstream/protocol.ts'
import { parseInTurns } from '../upstream/readAnswer.ts'
import { SSE_COMMENT, sseEvent, type SseReader } from '../upstream/sseMessages.ts'
import type { UpstreamAnswer } from '../upstream/upstreamAnswer.ts'
import type { CallTranslation, Translated } from './callTranslation.ts'
import { errorText, jsonReply } from './replies.ts'

/** A request that an upstream makes; `id` is as it wrote it. */
export interface UpstreamRequest {
  readonly id: string
  readonly method: string
  readonly text: string
}

export interface RelayOptions {
  readonly connection: Connection
  readonly clientEra: Era
  readonly clientId: RequestId
  /** Aborted when the call is given up: then there is nobody to answer. */
  readonly signal: AbortSignal
  readonly toClient: CallTranslation['toClient']
  /** The upstream asks something in the middle of the call. Gives the text in which the client is asked, if it is. */
  readonly onRequest: (asked: UpstreamRequest) => string | undefined
  /** The call is over: answered, given up, or the client has gone (`aborted`). */
  readonly onEnd: (how: 'answered' | 'failed' | 'aborted') => void
}

const MAX_EVENT_CHARS = 1024 * 1024
const MAX_REQUESTS = 16
/** So many pings are answered in so many milliseconds. */
const MAX_PINGS = 16
const PINGS_MS = 10_000
const STREAM_HEADERS = { 'content-type': SSE_TYPE, 'cache-control': 'no-store', 'x-accel-buffering': 'no' }

/**
 * Brings an upstream's answer to the client: a JSON message as one message, events as they come. Of the upstream's
 * headers nothing but the kind of content is kept (security T43), of an answer that is not MCP nothing at all (T41).
 */
export async function relayAnswer(response: UpstreamAnswer, options: RelayOptions): Promise<Response> {
  const type = mediaType(response.headers['content-type'])
  if (type === JSON_TYPE) return relayJson(response, options)
  if (type === SSE_TYPE && response.ok) return relayEvents(response.events(MAX_EVENT_CHARS), options)
  response.discard()
  throw unexpectedAnswer(options.connection, response.status)
}

async function relayJson(response: UpstreamAnswer, options: RelayOptions): Promise<Response> {
  const { connection, clientEra } = options
  let answer: Translated
  try {
    const text = await response.text()
    answer = options.toClient(text, await parseInTurns(text))
    await pauseAfter(text)
  } catch (error) {
    throw brokenAnswer(connection, error)
  }
  if (answer.kind !== 'final') throw unexpectedAnswer(connection, response.status)
  options.onEnd('answered')
  // A status of the new era is part of its message; one of the old era says that there is no message.
  return jsonReply(answer.text, clientEra === 'modern' ? response.status : 200)
}

function relayEvents(reader: SseReader, given: RelayOptions): Response {
  const options = { ...given, onRequest: bounded(given.onRequest) }
  const encoder = new TextEncoder()
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { text, isLast } = await nextForClient(reader, options)
        controller.enqueue(encoder.encode(text))
        if (!isLast) return
        controller.close()
        await reader.cancel().catch(ignore)
      },
      async cancel() {
        options.onEnd('aborted')
        await reader.cancel().catch(ignore)
      },
    },
    { highWaterMark: 0 },
  )
  return new Response(stream, { status: 200, headers: STREAM_HEADERS })
}

async function nextForClient(reader: SseReader, options: RelayOptions): Promise<{ text: string; isLast: boolean }> {
  try {
    for (;;) {
      const item = await reader.next()
      if (item === undefined) return brokenOff(options, undefined)
      if (item.kind === 'comment') return { text: SSE_COMMENT, isLast: false }
      const translated = options.toClient(item.data, await parseInTurns(item.data))
      if (translated.kind === 'request') {
        const question = options.onRequest({ ...translated, text: item.data })
        if (question !== undefined) return { text: sseEvent(question), isLast: false }
      }
      if (translated.kind === 'forward') return { text: sseEvent(translated.text), isLast: false }
      if (translated.kind !== 'final') continue
      options.onEnd('answered')
      return { text: sseEvent(translated.text), isLast: true }
    }
  } catch (error) {
    return brokenOff(options, error)
  }
}

/** A stream that ends without an answer would leave the client waiting until its own deadline. */
function brokenOff(
  { connection, clientId, signal, onEnd }: RelayOptions,
  cause: unknown,
): { text: string; isLast: boolean } {
  onEnd(signal.aborted ? 'aborted' : 'failed')
  if (signal.aborted && !(signal.reason instanceof GatewayError)) return { text: SSE_COMMENT, isLast: true }
  const { message } = signal.reason instanceof GatewayError ? signal.reason : endOf(connection, cause)
  const data = { connection: connection.name }
  return { text: sseEvent(errorText(clientId, { code: UPSTREAM_FAILED, message, data })), isLast: true }
}

function endOf(connection: Connection, cause: unknown): GatewayError {
  return cause === undefined
    ? unavailable(connection, 'ended its answer before it was complete')
    : brokenAnswer(connection, cause)
}

/**
 * Each request of the upstream makes us send something: one that never stops asking is cut off. However long a call
 * takes, an upstream may ask whether we are alive: where it does so too often, not every time gets an answer.
 */
function bounded(onRequest: RelayOptions['onRequest']): RelayOptions['onRequest'] {
  let questions = 0
  let pings = 0
  let since = performance.now()

  function mayAnswerPing(): boolean {
    const now = performance.now()
    if (now - since >= PINGS_MS) [since, pings] = [now, 0]
    pings += 1
    return pings <= MAX_PINGS
  }

  return (asked) => {
    if (asked.method === 'ping') return mayAnswerPing() ? onRequest(asked) : undefined
    questions += 1
    if (questions > MAX_REQUESTS) throw new RangeError('the upstream asks too much')
    return onRequest(asked)
  }
}

function ignore(): void {}
