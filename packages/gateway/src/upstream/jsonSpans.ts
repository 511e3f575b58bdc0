/**
 * Where things are in a JSON text. A relay that decodes and encodes again changes numbers, key order and unknown
 * fields; one that knows where a value starts and ends can replace that value and leave the rest as it was written.
 *
 * The text must have passed `JSON.parse` before: nothing here validates. Nothing here recurses, so depth is no danger.
 */

/** A value's place: `text.slice(start, end)`. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** A member of an object; `keyStart` is where its key's opening quote is. */
export interface Member extends Span {
  readonly key: string
  readonly keyStart: number
}

export interface Edit extends Span {
  readonly text: string
}

/** Thrown where a name that decides something occurs twice in one object: two readers could see two different messages. */
export class DuplicateKeyError extends Error {
  constructor() {
    super('an object has the same member twice')
    this.name = 'DuplicateKeyError'
  }
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const COMMA = 0x2c

/** The members of the object at `at` (leading whitespace is skipped). Empty if something else is there. */
export function members(text: string, at = 0): Member[] {
  let index = skipWhitespace(text, at)
  const found: Member[] = []
  if (text.charCodeAt(index) !== OPEN_BRACE) return found
  index = skipWhitespace(text, index + 1)
  while (text.charCodeAt(index) !== CLOSE_BRACE && index < text.length) {
    const keyStart = index
    const keyEnd = skipString(text, keyStart)
    const start = skipWhitespace(text, skipWhitespace(text, keyEnd) + 1)
    const end = skipValue(text, start)
    found.push({ key: decodeKey(text, keyStart, keyEnd), keyStart, start, end })
    index = skipComma(text, end)
  }
  return found
}

/** The elements of the array at `at`. Empty if something else is there. */
export function elements(text: string, at = 0): Span[] {
  let index = skipWhitespace(text, at)
  const found: Span[] = []
  if (text.charCodeAt(index) !== OPEN_BRACKET) return found
  index = skipWhitespace(text, index + 1)
  while (text.charCodeAt(index) !== CLOSE_BRACKET && index < text.length) {
    const end = skipValue(text, index)
    found.push({ start: index, end })
    index = skipComma(text, end)
  }
  return found
}

/** The member of that name. Throws `DuplicateKeyError` if there are two. */
export function member(all: readonly Member[], key: string): Member | undefined {
  let found: Member | undefined
  for (const candidate of all) {
    if (candidate.key !== key) continue
    if (found !== undefined) throw new DuplicateKeyError()
    found = candidate
  }
  return found
}

/** The value at the end of a path of member names. Throws `DuplicateKeyError` if a name on the path occurs twice. */
export function valueAt(text: string, ...path: readonly string[]): Span | undefined {
  let span: Span = { start: 0, end: text.length }
  for (const key of path) {
    const next = member(members(text, span.start), key)
    if (next === undefined) return undefined
    span = next
  }
  return span
}

/** The text with these spans replaced. They must not overlap. */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  if (edits.length === 0) return text
  let result = ''
  let from = 0
  for (const edit of edits.toSorted((a, b) => a.start - b.start)) {
    result += text.slice(from, edit.start) + edit.text
    from = edit.end
  }
  return result + text.slice(from)
}

/** Puts `"key":value` first into the object at `objectStart`, whose members are `all`. */
export function insertMember(objectStart: number, all: readonly Member[], key: string, value: string): Edit {
  const text = `${JSON.stringify(key)}:${value}${all.length > 0 ? ',' : ''}`
  return { start: objectStart + 1, end: objectStart + 1, text }
}

/** Takes one member out of an object, with its comma. */
export function removeMember(all: readonly Member[], removed: Member): Edit {
  const index = all.indexOf(removed)
  const next = all[index + 1]
  if (next !== undefined) return { start: removed.keyStart, end: next.keyStart, text: '' }
  const previous = all[index - 1]
  return { start: previous?.end ?? removed.keyStart, end: removed.end, text: '' }
}

/** An object made of these members as they are written. */
export function objectOf(text: string, kept: readonly Member[]): string {
  return `{${kept.map((each) => text.slice(each.keyStart, each.end)).join(',')}}`
}

function decodeKey(text: string, start: number, end: number): string {
  const raw = text.slice(start + 1, end - 1)
  return raw.includes('\\') ? String(JSON.parse(text.slice(start, end))) : raw
}

export function skipWhitespace(text: string, at: number): number {
  const code = text.charCodeAt(at)
  if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return at
  return firstOf(NOT_WHITESPACE, text, at)
}

/** A kind of character: a pattern finds the next one fast on a long way, a look at each character on a short one. */
export interface CharacterKind {
  readonly pattern: RegExp
  /** Whether a character is of that kind (1) or not (0), by its code, as far as ASCII goes. */
  readonly table: Uint8Array
}

/** `pattern` is one class of characters, with the flag `g`. */
export function characterKind(pattern: RegExp): CharacterKind {
  const table = Uint8Array.from({ length: 128 }, (_, code) => (String.fromCharCode(code).search(pattern) === 0 ? 1 : 0))
  return { pattern, table }
}

const NOT_WHITESPACE = characterKind(/[^ \n\r\t]/g)
const STRUCTURE = characterKind(/["[\]{}]/g)
const SEPARATOR = characterKind(/[,\]}\s]/g)
/** Mostly the way is shorter than what a pattern takes to set out. */
const NEAR = 32

/** Where a character of that kind is first found from there on; the text's length where there is none. */
export function firstOf({ pattern, table }: CharacterKind, text: string, at: number): number {
  const near = Math.min(at + NEAR, text.length)
  for (let index = at; index < near; index += 1) {
    const kind = table[text.charCodeAt(index)]
    if (kind === 1) return index
    if (kind === undefined) break
  }
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex - 1 : text.length
}

function skipComma(text: string, at: number): number {
  const index = skipWhitespace(text, at)
  return text.charCodeAt(index) === COMMA ? skipWhitespace(text, index + 1) : index
}

/** From where a value begins to behind it. */
export function skipValue(text: string, at: number): number {
  const code = text.charCodeAt(at)
  if (code === QUOTE) return skipString(text, at)
  if (code === OPEN_BRACE || code === OPEN_BRACKET) return skipContainer(text, at)
  return skipScalar(text, at)
}

/** From the opening quote to behind the closing one. */
export function skipString(text: string, at: number): number {
  const quote = text.indexOf('"', at + 1)
  if (quote === -1) return text.length
  return text.charCodeAt(quote - 1) === BACKSLASH ? skipEscaped(text, at) : quote + 1
}

/** The same where something in it is escaped. */
function skipEscaped(text: string, at: number): number {
  for (let index = at + 1; index < text.length; index += 1) {
    const code = text.charCodeAt(index)
    if (code === QUOTE) return index + 1
    if (code === BACKSLASH) index += 1
  }
  return text.length
}

function skipContainer(text: string, at: number): number {
  let depth = 0
  let index = firstOf(STRUCTURE, text, at)
  while (index < text.length) {
    const code = text.charCodeAt(index)
    if (code === OPEN_BRACE || code === OPEN_BRACKET) depth += 1
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth -= 1
    if (depth === 0) return index + 1
    index = firstOf(STRUCTURE, text, code === QUOTE ? skipString(text, index) : index + 1)
  }
  return text.length
}

/** `true`, `null`, a number: up to what can only be a separator. */
function skipScalar(text: string, at: number): number {
  return firstOf(SEPARATOR, text, at)
}
