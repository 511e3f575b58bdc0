import { assertWithinBounds, LIST_BOUNDS } from '../jsonBounds.ts'
import { member, members, type Member } from '../jsonSpans.ts'
import { isObject, isRequestId } from '../protocol.ts'
import { parse } from '../readAnswer.ts'

/** What a program has written, as far as its way depends on it. */
export type ProgramMessage =
  | { readonly kind: 'response'; readonly id: unknown; readonly top: readonly Member[] }
  | { readonly kind: 'notification'; readonly method: string; readonly params: Readonly<Record<string, unknown>> }
  /** `id` is as it wrote it. */
  | { readonly kind: 'request'; readonly method: string; readonly id: string }

/** As of an event of a stream. Only an answer may be longer. */
const MAX_EVENT_CHARS = 1024 * 1024

/**
 * Undefined for what is no message, such as what a program prints for people. Throws `TooComplexError` for more structure
 * than may be looked at: whose answer that would be is not known.
 */
export function readLine(line: string): ProgramMessage | undefined {
  if (!line.startsWith('{')) return undefined
  assertWithinBounds(line, LIST_BOUNDS)
  try {
    return read(line)
  } catch {
    // Not JSON, or an id or a method twice.
    return undefined
  }
}

/** Of an answer only the id is read here: whoever waits for it reads the rest. */
function read(line: string): ProgramMessage | undefined {
  const top = members(line)
  const id = member(top, 'id')
  const method = member(top, 'method')
  const idText = id && line.slice(id.start, id.end)
  if (method === undefined) return idText === undefined ? undefined : { kind: 'response', id: JSON.parse(idText), top }
  const message = line.length > MAX_EVENT_CHARS ? undefined : parse(line)
  if (typeof message?.['method'] !== 'string') return undefined
  if (idText === undefined) {
    const { params } = message
    return { kind: 'notification', method: message['method'], params: isObject(params) ? params : {} }
  }
  return isRequestId(message['id']) ? { kind: 'request', method: message['method'], id: idText } : undefined
}
