import { characterKind, firstOf, skipString } from './jsonSpans.ts'

/** How much structure a JSON text may have. Its length is bounded where it is received. */
export interface JsonBounds {
  /** Containers within containers. */
  readonly depth: number
  /** Containers and members of objects together: what costs a parser the most. */
  readonly structures: number
  /** Commas, that is about as many as there are values. */
  readonly values: number
}

/**
 * For a message between a client and an upstream. 10 MiB of nothing but brackets keep a parser busy for more than a
 * second and make hundreds of megabytes of them; with these bounds no text of that length takes a tenth of a second.
 */
export const MESSAGE_BOUNDS: JsonBounds = { depth: 100, structures: 100_000, values: 250_000 }

/** For a list: one item of it that is nested too deeply is left out by itself (security T46). */
export const LIST_BOUNDS: JsonBounds = { ...MESSAGE_BOUNDS, depth: 50_000 }

/** A text has more structure than it may have. */
export class TooComplexError extends Error {
  constructor() {
    super('a JSON text has too many levels or values')
    this.name = 'TooComplexError'
  }
}

/**
 * Throws `TooComplexError` for a text that must not be given to a parser (security T47). Looks at each character once at
 * most, whether the text is JSON or not, and stops at the first thing too much.
 */
export function assertWithinBounds(text: string, bounds: JsonBounds = MESSAGE_BOUNDS): void {
  if (countStructure(text, bounds) === undefined) throw new TooComplexError()
}

export interface JsonStructure {
  /** How deep it goes at its deepest. */
  readonly depth: number
  readonly objects: number
}

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

const STRUCTURE = characterKind(/["[\]{},:]/g)

/** Undefined where it is out of bounds. */
export function countStructure(text: string, bounds: JsonBounds): JsonStructure | undefined {
  let depth = 0
  let deepest = 0
  let objects = 0
  let structures = 0
  let values = 0
  let index = firstOf(STRUCTURE, text, 0)
  while (index < text.length) {
    const code = text.charCodeAt(index)
    let next = index + 1
    if (code === QUOTE) next = skipString(text, index)
    else if (code === COMMA) values += 1
    else if (code === COLON) structures += 1
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth -= 1
    else {
      structures += 1
      depth += 1
      deepest = Math.max(deepest, depth)
      if (code === OPEN_BRACE) objects += 1
    }
    if (depth > bounds.depth || structures > bounds.structures || values > bounds.values) return undefined
    index = firstOf(STRUCTURE, text, next)
  }
  return { depth: deepest, objects }
}
