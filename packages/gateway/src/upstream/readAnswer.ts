import type { Connection } from '../domain.ts'
import { pauseAfter } from '../longText.ts'
import { brokenAnswer, invalidUpstream } from './failures.ts'
import { assertWithinBounds, LIST_BOUNDS, MESSAGE_BOUNDS } from './jsonBounds.ts'
import { isObject, JSON_TYPE, mediaType, SSE_TYPE, type RequestId } from './protocol.ts'
import type { SseReader } from './sseMessages.ts'
import type { UpstreamAnswer } from './upstreamAnswer.ts'
import { asParsed } from './writtenNumber.ts'

/** A JSON-RPC response: its text as it came, and the same parsed. */
export interface Answer {
  readonly text: string
  readonly message: Record<string, unknown>
}

/** Reads an answer to the end, whether it comes as JSON or as events, and gives the response with this id. */
export async function readAnswer(connection: Connection, response: UpstreamAnswer, id: RequestId): Promise<Answer> {
  const type = mediaType(response.headers['content-type'])
  if (type === JSON_TYPE) return await readJsonAnswer(connection, response, id)
  if (type === SSE_TYPE) return readStreamedAnswer(connection, response.events(MAX_EVENT_CHARS), id)
  response.discard()
  throw invalidUpstream(connection, `answered with status ${response.status} and without an MCP message`)
}

async function readJsonAnswer(connection: Connection, response: UpstreamAnswer, id: RequestId): Promise<Answer> {
  let text: string
  let message: Record<string, unknown> | undefined
  try {
    text = await response.text()
    message = parse(text, LIST_BOUNDS)
  } catch (error) {
    throw brokenAnswer(connection, error)
  }
  if (message !== undefined && isAnswer(message, id)) return { text, message }
  throw invalidUpstream(connection, 'answered with something that is not an MCP message')
}

export function isAnswer(message: Record<string, unknown>, id: RequestId): boolean {
  if (message['jsonrpc'] !== '2.0' || 'method' in message) return false
  const isSame = message['id'] === asParsed(id)
  if (isObject(message['result'])) return isSame
  // An error may come before the id could be read.
  return isObject(message['error']) && (isSame || message['id'] === null || message['id'] === undefined)
}

/** Undefined for what is no JSON object. Throws `TooComplexError` for more of it than a parser should be given. */
export function parse(text: string, bounds = MESSAGE_BOUNDS): Record<string, unknown> | undefined {
  assertWithinBounds(text, bounds)
  return parsed(text)
}

/** The same, where a long text may take a turn for each look at it (security T46). */
export async function parseInTurns(text: string): Promise<Record<string, unknown> | undefined> {
  await pauseAfter(text)
  assertWithinBounds(text)
  await pauseAfter(text)
  const message = parsed(text)
  await pauseAfter(text)
  return message
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

async function readStreamedAnswer(connection: Connection, reader: SseReader, id: RequestId): Promise<Answer> {
  try {
    for (;;) {
      const item = await reader.next()
      if (item === undefined) break
      if (item.kind === 'comment') continue
      const message = parse(item.data, LIST_BOUNDS)
      if (message !== undefined && isAnswer(message, id)) return { text: item.data, message }
    }
  } catch (error) {
    throw brokenAnswer(connection, error)
  } finally {
    await reader.cancel().catch(ignore)
  }
  throw invalidUpstream(connection, 'ended its answer before it was complete')
}

const MAX_EVENT_CHARS = 2 * 1024 * 1024

function ignore(): void {}
