import type { Connection } from '../domain.ts'
import { invalidUpstream } from './failures.ts'
import { DuplicateKeyError, elements, member, members, objectOf, valueAt } from './jsonSpans.ts'
import { isObject } from './protocol.ts'
import type { Answer } from './readAnswer.ts'

/** A tool's text, with the place of its name. */
interface ToolText {
  readonly json: string
  readonly nameStart: number
  readonly nameEnd: number
}

/** A tool as its upstream wrote it. */
export interface UpstreamTool extends ToolText {
  readonly name: string
  /** The same without what a client of the 2025 era would choke on; undefined where that is nothing. */
  readonly legacy: ToolText | undefined
  /** Arguments that a client of the 2026-07-28 era repeats in headers. */
  readonly mirrored: readonly MirroredArgument[]
}

/** `x-mcp-header`: the argument at `path` travels as `Mcp-Param-{header}` too. */
export interface MirroredArgument {
  readonly header: string
  readonly path: readonly string[]
}

export interface ToolPage {
  readonly tools: readonly UpstreamTool[]
  readonly nextCursor: string | undefined
  /** How long the upstream says that the page is good; undefined where it does not say. */
  readonly ttlMs: number | undefined
}

/** Reads one page of `tools/list`. The tools stay text: no schema is compiled or validated (security T46). */
export function readToolPage(connection: Connection, { text, message }: Answer): ToolPage {
  const { result } = message
  if (!isObject(result) || !Array.isArray(result['tools'])) {
    throw invalidUpstream(connection, 'did not answer with a list of tools')
  }
  try {
    return { tools: readTools(text, result['tools']), nextCursor: cursorOf(result), ttlMs: ttlOf(result) }
  } catch (error) {
    if (!(error instanceof DuplicateKeyError)) throw error
    throw invalidUpstream(connection, 'answered with a list of tools that can be read in two ways', error)
  }
}

function readTools(text: string, parsed: readonly unknown[]): UpstreamTool[] {
  const list = valueAt(text, 'result', 'tools')
  if (list === undefined) return []
  return elements(text, list.start).flatMap(({ start, end }, index) => {
    const value = parsed[index]
    return isObject(value) ? readTool(text.slice(start, end), value) : []
  })
}

function readTool(json: string, value: Record<string, unknown>): UpstreamTool[] {
  const { name, inputSchema, outputSchema } = value
  const text = toolText(json)
  if (typeof name !== 'string' || name === '' || text === undefined) return []
  const legacy = isObject(outputSchema) && outputSchema['type'] !== 'object' ? withoutOutputSchema(json) : undefined
  return [{ ...text, name, legacy, mirrored: isObject(inputSchema) ? mirroredArguments(inputSchema) : [] }]
}

function toolText(json: string): ToolText | undefined {
  const place = member(members(json), 'name')
  return place && { json, nameStart: place.start, nameEnd: place.end }
}

/** Until 2025-11-25 an output schema had to describe an object; a client of then refuses the whole list otherwise. */
function withoutOutputSchema(json: string): ToolText | undefined {
  const kept = members(json).filter(({ key }) => key !== 'outputSchema')
  return toolText(objectOf(json, kept))
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
