import { setImmediate as nextTurn } from 'node:timers/promises'

const LONG_CHARS = 256 * 1024
const PIECE_CHARS = 64 * 1024
const UTF_8 = new TextEncoder()

/** Whether each look at a text takes a while, and each copy of it much memory. */
export function isLong(text: string): boolean {
  return text.length > LONG_CHARS
}

/**
 * Between two things that are done with a text. Each looks at all of it, which takes a while where it is long: then others
 * have their turn in between (security T46).
 */
export async function pauseAfter(text: string): Promise<void> {
  if (isLong(text)) await nextTurn()
}

/**
 * A text in UTF-8, piece by piece: who sends it no faster than it is read never holds all of it a second time (security
 * T44).
 */
export function* encodeInPieces(text: string): Generator<Uint8Array, void> {
  let end: number
  for (let start = 0; start < text.length; start = end) {
    end = start + PIECE_CHARS
    if (isLeadSurrogate(text.charCodeAt(end - 1))) end -= 1
    yield UTF_8.encode(text.slice(start, end))
  }
}

/** Of the two halves of a character, the first. */
function isLeadSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff
}
