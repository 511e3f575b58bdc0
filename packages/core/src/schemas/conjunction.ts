import { demandsOf, type Adapted } from './adaptation.ts'
import { joined } from './inWords.ts'
import { isSameJson, isSchema, keyword, listOf, recordOf, type Schema } from './jsonSchema.ts'
import { ARRAY_KEYWORDS, KEYWORDS_OF_TYPE, OBJECT_KEYWORDS } from './keywordsOfType.ts'

/** Schemas that all have to hold at one place: what they come to together. */

export interface Union {
  readonly name: 'anyOf' | 'oneOf'
  readonly from: Schema
  readonly branches: readonly unknown[]
  /** The branches say only which properties are needed together. */
  readonly isNeeds: boolean
}

export function unionsIn(schemas: readonly Schema[]): readonly Union[] {
  return schemas.flatMap((from) =>
    (['anyOf', 'oneOf'] as const).flatMap((name) => {
      const branches = listOf(keyword(from, name))
      const isNeeds = branches.every(
        (branch) =>
          isSchema(branch) && isPart(branch, ['required', 'title', 'description']) && Object.hasOwn(branch, 'required'),
      )
      return branches.length > 0 ? [{ name, from, branches, isNeeds }] : []
    }),
  )
}

/** Whether a schema has none but these keywords. */
function isPart(schema: Schema, names: readonly string[]): boolean {
  return Object.keys(schema).every((name) => names.includes(name))
}

export function bothTypes(some: readonly string[], others: readonly string[]): readonly string[] {
  return some.flatMap((type) => {
    if (others.includes(type) || (type === 'integer' && others.includes('number'))) return [type]
    return type === 'number' && others.includes('integer') ? ['integer'] : []
  })
}

/** The values that are possible, where they are listed. */
export function valuesIn(schemas: readonly Schema[]): readonly unknown[] | undefined {
  const lists = schemas.flatMap((schema) => [
    ...(Array.isArray(schema['enum']) ? [schema['enum'] as readonly unknown[]] : []),
    ...(Object.hasOwn(schema, 'const') ? [[schema['const']]] : []),
  ])
  const [first, ...others] = lists
  return first?.filter((value) => others.every((list) => list.some((other) => isSameJson(other, value))))
}

export function typeOfValue(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return Number.isInteger(value) ? 'integer' : typeof value
}

export function isOfType(value: unknown, type: string): boolean {
  const actual = typeOfValue(value)
  return actual === type || (actual === 'integer' && type === 'number')
}

/** The types of which something is demanded. */
export function typesByKeywords(schemas: readonly Schema[]): readonly string[] {
  const names = new Set(demandsOf(schemas).keys())
  const written = new Map([
    ['object', OBJECT_KEYWORDS],
    ['array', ARRAY_KEYWORDS],
  ])
  return ['string', 'number', 'array', 'object'].filter((type) =>
    [...(KEYWORDS_OF_TYPE.get(type) ?? []), ...(written.get(type) ?? [])].some(
      (name) => names.has(name) && name !== 'format',
    ),
  )
}

/** What has to hold of each property. */
export function propertiesIn(schemas: readonly Schema[]): Map<string, readonly unknown[]> {
  const properties = new Map<string, readonly unknown[]>()
  for (const schema of schemas)
    for (const [name, property] of Object.entries(recordOf(keyword(schema, 'properties'))))
      properties.set(name, [...(properties.get(name) ?? []), property])
  return properties
}

/** An object that may have any properties and is not said to have some. */
export function isFreeForm(schemas: readonly Schema[]): boolean {
  return (
    propertiesIn(schemas).size === 0 && schemas.every((schema) => keyword(schema, 'additionalProperties') !== false)
  )
}

/** A schema that says of its further properties what they are, and of no property that it has it. */
export function isOpenMap(schema: Schema): boolean {
  const rest = keyword(schema, 'additionalProperties')
  const isOpen = rest === true || isSchema(rest) || Object.hasOwn(schema, 'patternProperties')
  return isOpen && Object.keys(recordOf(keyword(schema, 'properties'))).length === 0
}

export function isDefinition(reference: unknown): boolean {
  return typeof reference === 'string' && /^#(\/(\$defs|definitions)\/[^/%]+)?$/.test(reference)
}

/** One schema of several forms; forms that are the same are one. */
export function anyOf(
  forms: readonly (Adapted & { readonly schema: Schema })[],
): Adapted & { readonly schema: Schema } {
  const flat = forms.flatMap(innerForms)
  const distinct = flat.filter(
    (form, index) => flat.findIndex((other) => isSameJson(other.schema, form.schema)) === index,
  )
  const [first] = distinct
  if (first !== undefined && distinct.length === 1 && isSchema(first.schema))
    return { schema: first.schema, restore: first.restore }
  const restore = distinct.some((form) => form.restore)
    ? { kind: 'any' as const, branches: distinct.map(({ schema, restore: how }) => ({ schema, restore: how })) }
    : undefined
  return { schema: { anyOf: distinct.map(({ schema }) => schema) }, restore }
}

function innerForms({ schema, restore }: Adapted & { readonly schema: Schema }): readonly Adapted[] {
  if (!Array.isArray(schema['anyOf']) || !isPart(schema, ['anyOf'])) return [{ schema, restore }]
  if (restore?.kind === 'any') return restore.branches
  return schema['anyOf'].map((form: unknown) => ({ schema: form, restore }))
}

/** A schema with one form more. */
export function withForm(schema: Schema, form: Schema): Schema {
  const forms = Array.isArray(schema['anyOf']) && isPart(schema, ['anyOf']) ? schema['anyOf'] : [schema]
  return { anyOf: forms.some((other: unknown) => isSameJson(other, form)) ? forms : [...forms, form] }
}

/** A schema with a title and with a description before its own; a reference is put into `anyOf`, because nothing may be beside it. */
export function withTexts(schema: Schema, title: unknown, description: string | undefined): Schema {
  if (title === undefined && description === undefined) return schema
  const form = Object.hasOwn(schema, '$ref') ? { anyOf: [schema] } : schema
  const text = joined(description, form['description'])
  return { ...form, ...(title !== undefined && { title }), ...(text !== undefined && { description: text }) }
}
