import { applyEdits, member, members, valueAt, type Edit, type Span } from '../jsonSpans.ts'

/** A request under an id that no other request to the same process has, and what it had itself. */
export interface RenumberedRequest {
  readonly line: string
  /** As its sender wrote them. */
  readonly id: string
  readonly progressToken: string | undefined
}

/**
 * Gives a request an id of ours, and its progress token the same: all that ask one process share one channel, and each
 * has chosen by itself. The rest stays as it is written. Undefined for what has no id.
 */
export function renumber(text: string, id: number): RenumberedRequest | undefined {
  const idPlace = member(members(text), 'id')
  if (idPlace === undefined) return undefined
  const token = valueAt(text, 'params', '_meta', 'progressToken')
  const places = token === undefined ? [idPlace] : [idPlace, token]
  return {
    line: oneLine(
      applyEdits(
        text,
        places.map((place): Edit => ({ start: place.start, end: place.end, text: String(id) })),
      ),
    ),
    id: text.slice(idPlace.start, idPlace.end),
    progressToken: token && text.slice(token.start, token.end),
  }
}

/** A message of a program with the id, or the token, that its addressee knows it by, in its place. */
export function withValue(line: string, place: Span | undefined, original: string): string {
  return place === undefined ? line : applyEdits(line, [{ start: place.start, end: place.end, text: original }])
}

/** JSON has line breaks only between its parts, where a space says the same. */
export function oneLine(text: string): string {
  return text.replaceAll(/[\r\n]/g, ' ')
}
