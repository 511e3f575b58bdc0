import { skipString, skipValue, skipWhitespace } from './jsonSpans.ts'

/** Deeper than any schema that somebody wrote. What is below is taken as it is written. */
const MAX_DEPTH = 64

/**
 * A JSON text in one form, whatever its white space, key order and escapes: two texts that any reader takes for the same
 * give the same, and two that some reader could tell apart do not. Numbers stay as they are written, for a parser would
 * round two of them to one; of a key that occurs twice both stay. Only these members of the outermost object count.
 *
 * The text must have passed `JSON.parse` before. Each character is looked at once.
 */
export function canonicalJson(text: string, wanted: ReadonlySet<string>): string {
  return new Reader(text).object(wanted)
}

class Reader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
    this.#at = skipWhitespace(text, 0)
  }

  object(wanted?: ReadonlySet<string>, depth = 0): string {
    const found: (readonly [key: string, member: string])[] = []
    this.#forEach('}', () => {
      const key = this.#string()
      this.#at = skipWhitespace(this.#text, skipWhitespace(this.#text, this.#at) + 1)
      if (wanted?.has(JSON.parse(key)) === false) this.#at = skipValue(this.#text, this.#at)
      else found.push([key, `${key}:${this.#value(depth)}`])
    })
    const inOrder = found.toSorted(([one], [other]) => (one === other ? 0 : one < other ? -1 : 1))
    return `{${inOrder.map(([, member]) => member).join(',')}}`
  }

  #array(depth: number): string {
    const found: string[] = []
    this.#forEach(']', () => found.push(this.#value(depth)))
    return `[${found.join(',')}]`
  }

  #forEach(close: string, read: () => void): void {
    this.#at = skipWhitespace(this.#text, this.#at + 1)
    while (this.#text[this.#at] !== close) {
      read()
      this.#at = skipWhitespace(this.#text, this.#at)
      if (this.#text[this.#at] === ',') this.#at = skipWhitespace(this.#text, this.#at + 1)
    }
    this.#at += 1
  }

  #value(depth: number): string {
    const first = this.#text[this.#at]
    if (first === '"') return this.#string()
    if (depth < MAX_DEPTH && first === '{') return this.object(undefined, depth + 1)
    if (depth < MAX_DEPTH && first === '[') return this.#array(depth + 1)
    const start = this.#at
    this.#at = skipValue(this.#text, start)
    return this.#text.slice(start, this.#at)
  }

  #string(): string {
    const start = this.#at
    this.#at = skipString(this.#text, start)
    const written = this.#text.slice(start, this.#at)
    return written.includes('\\') ? JSON.stringify(JSON.parse(written)) : written
  }
}
