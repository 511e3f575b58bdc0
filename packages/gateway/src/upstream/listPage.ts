import type { Connection } from '../domain.ts'
import { invalidUpstream } from './failures.ts'
import { itemProblem, type ItemProblem } from './itemProblem.ts'
import { DuplicateKeyError, elements, member, members, objectOf, valueAt } from './jsonSpans.ts'
import { ownText } from './ownText.ts'
import { plainItem } from './plainItem.ts'
import type { TextFlag } from './plainText.ts'
import { isObject } from './protocol.ts'
import type { Answer } from './readAnswer.ts'

/** What can be listed: the member of the result that holds the list. */
export type ListKind = 'tools' | 'prompts' | 'resources' | 'resourceTemplates'

interface ListForm {
  readonly method: string
  /** The member by which an item is asked for. */
  readonly identifiedBy: string
}

export const LISTS: Readonly<Record<ListKind, ListForm>> = {
  tools: { method: 'tools/list', identifiedBy: 'name' },
  prompts: { method: 'prompts/list', identifiedBy: 'name' },
  resources: { method: 'resources/list', identifiedBy: 'uri' },
  resourceTemplates: { method: 'resources/templates/list', identifiedBy: 'uriTemplate' },
}

/** An item's text, with the place of its name. */
interface ItemText {
  readonly json: string
  readonly nameStart: number
  readonly nameEnd: number
}

/** A tool, prompt, resource or template as its upstream wrote it, but for what only a model would read (T49). */
export interface UpstreamItem extends ItemText {
  /** The name, the URI, or the URI template. */
  readonly name: string
  /** The same without what a client of the 2025 era would choke on; undefined where that is nothing. */
  readonly legacy: ItemText | undefined
  /** Exactly as the upstream wrote it, where that is something else. */
  readonly original: string | undefined
  /** What was taken out of its texts. */
  readonly flags: readonly TextFlag[]
  /** Arguments that a client of the 2026-07-28 era repeats in headers. */
  readonly mirrored: readonly MirroredArgument[]
}

/** `x-mcp-header`: the argument at `path` travels as `Mcp-Param-{header}` too. */
export interface MirroredArgument {
  readonly header: string
  readonly path: readonly string[]
}

/** An item that is left out of the list. */
export interface RefusedItem {
  readonly name: string
  readonly problem: ItemProblem
}

export interface ListPage {
  readonly items: readonly UpstreamItem[]
  readonly refused: readonly RefusedItem[]
  readonly nextCursor: string | undefined
  /** How long the upstream says that the page is good; undefined where it does not say. */
  readonly ttlMs: number | undefined
}

/** Reads one page of a list. The items stay text: no schema is compiled or validated (security T46). */
export function readListPage(connection: Connection, kind: ListKind, { text, message }: Answer): ListPage {
  const { result } = message
  if (!isObject(result) || !Array.isArray(result[kind])) {
    throw invalidUpstream(connection, `did not answer with a list of ${kind}`)
  }
  try {
    return { ...readItems(kind, text, result[kind]), nextCursor: cursorOf(result), ttlMs: ttlOf(result) }
  } catch (error) {
    if (!(error instanceof DuplicateKeyError)) throw error
    throw invalidUpstream(connection, `answered with a list of ${kind} that can be read in two ways`, error)
  }
}

function readItems(
  kind: ListKind,
  text: string,
  parsed: readonly unknown[],
): { items: UpstreamItem[]; refused: RefusedItem[] } {
  const list = valueAt(text, 'result', kind)
  const items: UpstreamItem[] = []
  const refused: RefusedItem[] = []
  for (const [index, { start, end }] of list === undefined ? [] : elements(text, list.start).entries()) {
    const value = parsed[index]
    if (!isObject(value)) continue
    const json = text.slice(start, end)
    const problem = itemProblem(json)
    // The page is not kept for the sake of what is kept of it.
    if (problem === undefined) items.push(...readItem(kind, ownText(json), value))
    else refused.push({ name: ownText(String(value[LISTS[kind].identifiedBy]).slice(0, MAX_NAME_CHARS)), problem })
  }
  return { items, refused }
}

/** Of a refused item's name, for whoever looks for it. */
const MAX_NAME_CHARS = 128

function readItem(kind: ListKind, written: string, value: Record<string, unknown>): UpstreamItem[] {
  const { identifiedBy } = LISTS[kind]
  const name = value[identifiedBy]
  const isResource = kind === 'resources' || kind === 'resourceTemplates'
  const { json, flags } = plainItem(written, { isResource })
  const original = json === written ? undefined : written
  const text = itemText(json, identifiedBy)
  if (typeof name !== 'string' || name === '' || text === undefined) return []
  if (kind !== 'tools') return [{ ...text, name, original, flags, legacy: undefined, mirrored: [] }]
  const { inputSchema, outputSchema } = value
  const legacy = isObject(outputSchema) && outputSchema['type'] !== 'object' ? withoutOutputSchema(json) : undefined
  const mirrored = isObject(inputSchema) ? mirroredArguments(inputSchema) : []
  return [{ ...text, name, original, flags, legacy, mirrored }]
}

function itemText(json: string, identifiedBy: string): ItemText | undefined {
  const place = member(members(json), identifiedBy)
  return place && { json, nameStart: place.start, nameEnd: place.end }
}

/** Until 2025-11-25 an output schema had to describe an object; a client of then refuses the whole list otherwise. */
function withoutOutputSchema(json: string): ItemText | undefined {
  const kept = members(json).filter(({ key }) => key !== 'outputSchema')
  return itemText(objectOf(json, kept), 'name')
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const MAX_MIRRORED = 32
const MAX_SCHEMA_DEPTH = 16

/** Only what a chain of `properties` reaches counts (2026-07-28, Streamable HTTP, "Schema Extension"). */
function mirroredArguments(schema: Record<string, unknown>): MirroredArgument[] {
  const found: MirroredArgument[] = []
  let level: { schema: Record<string, unknown>; path: readonly string[] }[] = [{ schema, path: [] }]
  for (let depth = 0; depth < MAX_SCHEMA_DEPTH && level.length > 0; depth += 1) {
    const next: typeof level = []
    for (const { schema: at, path } of level) {
      for (const [key, property] of Object.entries(isObject(at['properties']) ? at['properties'] : {})) {
        if (!isObject(property)) continue
        const header = property['x-mcp-header']
        const inner = { schema: property, path: [...path, key] }
        if (typeof header === 'string' && TOKEN.test(header)) found.push({ header, path: inner.path })
        if (isObject(property['properties'])) next.push(inner)
      }
    }
    level = next
  }
  return found.slice(0, MAX_MIRRORED)
}

function cursorOf({ nextCursor }: Record<string, unknown>): string | undefined {
  return typeof nextCursor === 'string' && nextCursor !== '' ? nextCursor : undefined
}

function ttlOf({ ttlMs }: Record<string, unknown>): number | undefined {
  return typeof ttlMs === 'number' && ttlMs >= 0 ? ttlMs : undefined
}
