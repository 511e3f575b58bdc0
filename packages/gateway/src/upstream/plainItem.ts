import { applyEdits, skipString, skipWhitespace, type Edit } from './jsonSpans.ts'
import { MAX_TEXT_CHARS, plainText, type TextFlag } from './plainText.ts'

export interface PlainItem {
  readonly json: string
  readonly flags: readonly TextFlag[]
}

/** Only what is read, and decides nothing: a pattern or a default with one character less would be another. */
const READ_BY_MODELS: ReadonlySet<string> = new Set(['title', 'description', '$comment'])
/** A resource is asked for by its URI; its name is only read. */
const READ_OF_RESOURCES: ReadonlySet<string> = new Set([...READ_BY_MODELS, 'name'])
/** Nothing but plain ASCII without escapes: most items are, and need no second look. */
const HARMLESS = /^[\t\n\r\u0020-\u005b\u005d-\u007e]*$/

/** The same item with the texts that a model reads in plain form, however deep in its schemas they are. */
export function plainItem(json: string, { isResource = false } = {}): PlainItem {
  if (json.length <= MAX_TEXT_CHARS && HARMLESS.test(json)) return { json, flags: [] }
  const flags = new Set<TextFlag>()
  const edits: Edit[] = []
  for (const { start, end } of textsIn(json, isResource ? READ_OF_RESOURCES : READ_BY_MODELS)) {
    const written = json.slice(start, end)
    const text = String(JSON.parse(written))
    const plain = plainText(text)
    if (plain.flags.length === 0) continue
    for (const flag of plain.flags) flags.add(flag)
    edits.push({ start, end, text: JSON.stringify(plain.text) })
  }
  return { json: applyEdits(json, edits), flags: [...flags] }
}

/** The string values of those members, at any depth, in one walk over the text. */
function textsIn(json: string, wanted: ReadonlySet<string>): { start: number; end: number }[] {
  const found: { start: number; end: number }[] = []
  let at = json.indexOf('"')
  while (at !== -1) {
    const end = skipString(json, at)
    const next = skipWhitespace(json, end)
    if (json[next] !== ':' || !wanted.has(keyOf(json, at, end))) {
      at = json.indexOf('"', end)
      continue
    }
    const start = skipWhitespace(json, next + 1)
    if (json[start] !== '"') {
      at = json.indexOf('"', start)
      continue
    }
    const valueEnd = skipString(json, start)
    found.push({ start, end: valueEnd })
    at = json.indexOf('"', valueEnd)
  }
  return found
}

function keyOf(json: string, start: number, end: number): string {
  const raw = json.slice(start + 1, end - 1)
  return raw.includes('\\') ? String(JSON.parse(json.slice(start, end))) : raw
}
