import * as fc from 'fast-check'

type Schema = Record<string, unknown>
type Value = fc.Arbitrary<unknown>

const MAX_DEPTH = 5

/** Arguments as a model may give them for a schema that it was shown. Where rules are many, not all of them fit. */
export function argumentsFor(root: unknown): fc.Arbitrary<Record<string, unknown>> {
  return valueFor(root, root, 0).map((value) => recordOf(value))
}

function valueFor(root: unknown, given: unknown, depth: number): Value {
  const schema = recordOf(given)
  const texts = fc.string({ maxLength: 8 })
  if (typeof schema['$ref'] === 'string')
    return depth > MAX_DEPTH ? fc.constant(null) : valueFor(root, resolve(root, schema['$ref']), depth + 1)
  if (Object.hasOwn(schema, 'const')) return fc.constant(schema['const'])
  if (Array.isArray(schema['enum'])) return fc.constantFrom(...schema['enum'])
  const forms = [schema['anyOf'], schema['oneOf']].find(Array.isArray)
  if (forms && !Object.hasOwn(schema, 'properties')) {
    const shallow = depth > MAX_DEPTH ? forms.filter((form: unknown) => recordOf(form)['type'] === 'null') : forms
    return fc.oneof(
      ...(shallow.length > 0 ? shallow : forms.slice(0, 1)).map((form: unknown) => valueFor(root, form, depth + 1)),
    )
  }
  const types = [schema['type'] ?? (Object.hasOwn(schema, 'properties') ? 'object' : [])]
    .flat()
    .filter((type) => typeof type === 'string')
  if (types.length === 0) return fc.oneof(texts, fc.boolean(), fc.integer())
  return fc.oneof(...types.map((type) => ofType(root, schema, type, depth)))
}

function ofType(root: unknown, schema: Schema, type: string, depth: number): Value {
  switch (type) {
    case 'null':
      return fc.constant(null)
    case 'boolean':
      return fc.boolean()
    case 'integer':
      return fc.integer(within(schema))
    case 'number':
      return fc
        .integer(within(schema))
        .map((value) => (schema['multipleOf'] === undefined ? value : value * Number(schema['multipleOf'])))
    case 'string': {
      const minLength = numberOf(schema['minLength'], 0)
      const text = fc.string({
        minLength,
        maxLength: Math.max(minLength, Math.min(numberOf(schema['maxLength'], 12), 12)),
      })
      if (typeof schema['pattern'] === 'string') return fc.stringMatching(new RegExp(schema['pattern'], 'u'))
      // JSON text where the schema asks for it in words.
      return String(schema['description']).includes('as JSON text') ? fc.json({ maxDepth: 1 }) : text
    }
    case 'array': {
      const minLength = numberOf(schema['minItems'], 0)
      const maxLength = Math.max(minLength, Math.min(numberOf(schema['maxItems'], 3), 3))
      return fc.array(valueFor(root, schema['items'] ?? {}, depth + 1), {
        minLength,
        maxLength: depth > MAX_DEPTH ? minLength : maxLength,
      })
    }
    default: {
      const properties = Object.entries(recordOf(schema['properties'])).map(
        ([name, each]) => [name, valueFor(root, each, depth + 1)] as const,
      )
      const required = Array.isArray(schema['required']) ? schema['required'].map(String) : []
      const declared = new Set(properties.map(([name]) => name))
      return fc.record(Object.fromEntries(properties), {
        requiredKeys: required.filter((name) => declared.has(name)),
      })
    }
  }
}

function within(schema: Schema): { min: number; max: number } {
  const min = Math.max(numberOf(schema['minimum'], -100), numberOf(schema['exclusiveMinimum'], -101) + 1)
  const max = Math.min(
    numberOf(schema['maximum'], Math.max(100, min)),
    numberOf(schema['exclusiveMaximum'], Infinity) - 1,
  )
  return { min: Math.ceil(min), max: Math.max(Math.ceil(min), Math.floor(max)) }
}

function numberOf(value: unknown, otherwise: number): number {
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : otherwise
}

function resolve(root: unknown, reference: string): unknown {
  const tokens = reference
    .slice(2)
    .split('/')
    .filter((each) => each !== '')
  return tokens.reduce<unknown>(
    (at, each) => Reflect.get(Object(at), decodeURIComponent(each).replaceAll('~1', '/').replaceAll('~0', '~')),
    root,
  )
}

function recordOf(value: unknown): Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value))
    : {}
}
