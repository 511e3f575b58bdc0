/** A JSON Schema that is an object. Schemas come from strangers: what a keyword holds is looked at before it is used. */
export type Schema = Readonly<Record<string, unknown>>

/** Keywords whose value is one schema. */
const ONE_SCHEMA = new Set([
  'additionalItems',
  'additionalProperties',
  'contains',
  'contentSchema',
  'else',
  'if',
  'items',
  'not',
  'propertyNames',
  'then',
  'unevaluatedItems',
  'unevaluatedProperties',
])
/** Keywords whose value is a list of schemas. `items` is one in drafts before 2020-12. */
const SCHEMA_LISTS = new Set(['allOf', 'anyOf', 'items', 'oneOf', 'prefixItems'])
/** Keywords whose value is an object of schemas by name. */
const SCHEMA_MAPS = new Set([
  '$defs',
  'definitions',
  'dependencies',
  'dependentSchemas',
  'patternProperties',
  'properties',
])

export function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The value of a keyword that the schema itself has; nothing is inherited. */
export function keyword(schema: Schema, name: string): unknown {
  return Object.hasOwn(schema, name) ? schema[name] : undefined
}

export function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return isSchema(value) ? value : {}
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

export function stringsOf(value: unknown): readonly string[] {
  return listOf(value).filter((item) => typeof item === 'string')
}

/** Without a keyword or several. */
export function without(schema: Schema, ...names: readonly string[]): Schema {
  return Object.fromEntries(Object.entries(schema).filter(([name]) => !names.includes(name)))
}

/** The schemas directly in a schema, each with the pointer at which it is, from the schema on. */
export function* subschemas(schema: Schema): Generator<readonly [pointer: string, subschema: unknown]> {
  for (const [name, value] of Object.entries(schema)) {
    if (Array.isArray(value)) {
      if (SCHEMA_LISTS.has(name)) for (const [index, item] of value.entries()) yield [`/${name}/${index}`, item]
    } else if (isSchema(value) && SCHEMA_MAPS.has(name)) {
      for (const [key, item] of Object.entries(value))
        if (!Array.isArray(item)) yield [`/${name}/${pointerToken(key)}`, item]
    } else if (ONE_SCHEMA.has(name)) yield [`/${name}`, value]
  }
}

/** The schema with another one in the place of each one that is directly in it. */
export function mapSubschemas(schema: Schema, change: (subschema: unknown, name: string) => unknown): Schema {
  const entries = Object.entries(schema).map(([name, value]): [string, unknown] => {
    if (Array.isArray(value)) return [name, SCHEMA_LISTS.has(name) ? value.map((item) => change(item, name)) : value]
    if (isSchema(value) && SCHEMA_MAPS.has(name)) {
      const items = Object.entries(value).map(([key, item]): [string, unknown] => [
        key,
        Array.isArray(item) ? item : change(item, name),
      ])
      return [name, Object.fromEntries(items)]
    }
    return [name, ONE_SCHEMA.has(name) ? change(value, name) : value]
  })
  return Object.fromEntries(entries)
}

/** One part of a JSON Pointer (RFC 6901). */
export function pointerToken(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1')
}

/**
 * What a reference within the schema points at; undefined if it points elsewhere, at nothing, or by an anchor.
 *
 * @param reference - The value of `$ref`: a fragment that is a JSON Pointer (RFC 6901, section 6).
 */
export function resolveReference(root: Schema, reference: unknown): unknown {
  if (typeof reference !== 'string' || !/^#(\/|$)/.test(reference)) return undefined
  let target: unknown = root
  for (const token of referenceTokens(reference)) {
    if (typeof target !== 'object' || target === null || !Object.hasOwn(target, token)) return undefined
    target = Reflect.get(target, token)
  }
  return target
}

function referenceTokens(reference: string): readonly string[] {
  try {
    const [, ...tokens] = decodeURIComponent(reference.slice(1)).split('/')
    return tokens.map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
  } catch {
    return [reference]
  }
}

/** Whether two JSON values are the same, however their keys are ordered. */
export function isSameJson(one: unknown, other: unknown): boolean {
  if (one === other) return true
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false
  if (Array.isArray(one) !== Array.isArray(other)) return false
  const keys = Object.keys(one)
  return (
    keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && isSameJson(Reflect.get(one, key), Reflect.get(other, key)))
  )
}
