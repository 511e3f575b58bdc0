import type { Adaptation } from './adaptation.ts'
import { alternativesInWords, inWords } from './inWords.ts'
import {
  isSameJson,
  isSchema,
  keyword,
  listOf,
  pointerToken,
  recordOf,
  stringsOf,
  without,
  type Schema,
} from './jsonSchema.ts'
import { repairSchema } from './repairSchema.ts'

const COMBINING = ['$ref', 'allOf', 'anyOf', 'oneOf'] as const

export interface MergedRoot {
  readonly schema: Schema
  /** What is not in the schema any more, for the tool's description. */
  readonly words: readonly string[]
}

/**
 * The root of a tool's schema as one object schema, because no provider takes a combination of several there: references
 * are resolved, all of `allOf` holds, and of alternatives each property may be given that one of them has.
 */
export function mergeRoot(adaptation: Adaptation): MergedRoot {
  const words: string[] = []
  const merged = flat(adaptation, adaptation.root, words, [])
  return { schema: adaptation.derive(merged, adaptation.root), words }
}

function flat(adaptation: Adaptation, given: unknown, words: string[], seen: readonly unknown[]): Schema {
  adaptation.step()
  if (!isSchema(given) || seen.includes(given)) return {}
  const schema = adaptation.derive(repairedSchema(adaptation, given), given)
  if (!COMBINING.some((name) => Object.hasOwn(schema, name))) return schema
  const parts: Schema[] = [adaptation.derive(without(schema, ...COMBINING), schema)]
  const within = (part: unknown) => flat(adaptation, part, words, [...seen, given])
  if (Object.hasOwn(schema, '$ref')) {
    const target = adaptation.target(schema['$ref'])
    adaptation.change(schema, '/$ref', target === undefined ? UNRESOLVED : 'what it refers to is written here')
    parts.push(within(target))
  }
  if (Object.hasOwn(schema, 'allOf')) {
    adaptation.change(schema, '/allOf', 'merged into the schema itself')
    parts.push(...listOf(schema['allOf']).map(within))
  }
  for (const name of ['anyOf', 'oneOf'])
    if (Object.hasOwn(schema, name)) parts.push(alternatives(adaptation, schema, name, words, within))
  return both(adaptation, parts, words)
}

export const UNRESOLVED = 'left out: it refers to nothing within the schema'

export function repairedSchema(adaptation: Adaptation, schema: Schema): Schema {
  const { schema: repaired, repairs } = repairSchema(schema)
  for (const repair of repairs) adaptation.change(schema, `/${pointerToken(repair.keyword)}`, repair.change)
  return adaptation.derive(repaired, schema)
}

/** One object schema that allows what each alternative allows. */
function alternatives(
  adaptation: Adaptation,
  schema: Schema,
  name: string,
  words: string[],
  within: (branch: unknown) => Schema,
): Schema {
  const branches = listOf(schema[name])
  const flattened = branches.map(within)
  const said = alternativesInWords(name, flattened)
  if (said !== undefined) words.push(said)
  adaptation.change(
    schema,
    `/${name}`,
    `merged into the schema itself: its properties, none of them required${said === undefined ? '' : '; said in the description of the tool'}`,
  )
  const names = new Set(flattened.flatMap((branch) => Object.keys(recordOf(keyword(branch, 'properties')))))
  const properties = [...names].map((property): [string, unknown] => {
    const forms = distinct(flattened.flatMap((branch) => propertyOf(branch, property)))
    if (forms.length > 1) for (const branch of flattened) noteParts(adaptation, branch, property)
    return [property, forms.length === 1 ? forms[0] : adaptation.derive({ anyOf: forms }, schemaIn(forms) ?? schema)]
  })
  const required = flattened.map((branch) => new Set(stringsOf(keyword(branch, 'required'))))
  const always = [...(required[0] ?? [])].filter((property) => required.every((of) => of.has(property)))
  const merged = adaptation.derive(
    {
      ...(properties.length > 0 && { properties: Object.fromEntries(properties) }),
      ...(always.length > 0 && { required: always }),
      ...(flattened.every((branch) => branch['additionalProperties'] === false) && { additionalProperties: false }),
    },
    schema,
  )
  return adaptation.combine(merged, flattened)
}

/** One object schema that demands what each part demands; what cannot be said so is said in words. */
function both(adaptation: Adaptation, parts: readonly Schema[], words: string[]): Schema {
  const merged = new Map<string, unknown>()
  for (const part of parts) {
    for (const [name, value] of Object.entries(part)) {
      const before = merged.get(name)
      if (before === undefined || isSameJson(before, value)) merged.set(name, value)
      else if (name === 'properties') merged.set(name, bothProperties(adaptation, parts, before, value))
      else if (name === 'required') merged.set(name, [...new Set([...stringsOf(before), ...stringsOf(value)])])
      else if (name === '$defs' || name === 'definitions') merged.set(name, { ...recordOf(value), ...recordOf(before) })
      else {
        const said = name === 'title' || name === 'description' ? undefined : inWords(name, part)
        if (said !== undefined) words.push(said)
        adaptation.change(
          part,
          `/${pointerToken(name)}`,
          said === undefined ? 'left out: another part of the schema has one, too' : MOVED_TO_TOOL,
        )
      }
    }
  }
  reopen(adaptation, merged, parts)
  return adaptation.combine(Object.fromEntries(merged), parts)
}

const MOVED_TO_TOOL = 'moved into the description of the tool'

function bothProperties(adaptation: Adaptation, parts: readonly Schema[], before: unknown, value: unknown): Schema {
  const merged = new Map(Object.entries(recordOf(before)))
  for (const [name, schema] of Object.entries(recordOf(value))) {
    const other = merged.get(name)
    if (other === undefined) merged.set(name, schema)
    else if (!isSameJson(other, schema)) {
      for (const part of parts) noteParts(adaptation, part, name)
      const from = schemaIn([other, schema])
      merged.set(name, from ? adaptation.derive({ allOf: [other, schema] }, from) : { allOf: [other, schema] })
    }
  }
  return Object.fromEntries(merged)
}

/** A part that allows its own properties only would forbid those of the others. */
function reopen(adaptation: Adaptation, merged: Map<string, unknown>, parts: readonly Schema[]): void {
  if (parts.length < 2) return
  for (const name of ['additionalProperties', 'unevaluatedProperties']) {
    if (merged.get(name) !== false) continue
    const closed = parts.find((part) => part[name] === false)
    const own = recordOf(closed && keyword(closed, 'properties'))
    if (Object.keys(recordOf(merged.get('properties'))).every((property) => Object.hasOwn(own, property))) continue
    merged.delete(name)
    if (closed) adaptation.change(closed, `/${name}`, 'left out: other parts of the schema have properties, too')
  }
}

function noteParts(adaptation: Adaptation, part: Schema, name: string): void {
  if (propertyOf(part, name).length > 0)
    adaptation.changeProperty(part, name, 'put together with what other parts of the schema say of it')
}

function propertyOf(branch: Schema, name: string): unknown[] {
  const properties = recordOf(keyword(branch, 'properties'))
  return Object.hasOwn(properties, name) ? [properties[name]] : []
}

function distinct(values: readonly unknown[]): readonly unknown[] {
  return values.filter((value, index) => values.findIndex((other) => isSameJson(other, value)) === index)
}

function schemaIn(values: readonly unknown[]): Schema | undefined {
  return values.find(isSchema)
}
