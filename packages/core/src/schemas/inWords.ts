import { isSchema, keyword, listOf, recordOf, stringsOf, without, type Schema } from './jsonSchema.ts'

const MAX_CHARS = 400

type Phrase = (value: unknown) => string

const PHRASES: ReadonlyMap<string, Phrase> = new Map<string, Phrase>([
  ['minimum', (value) => `at least ${json(value)}`],
  ['maximum', (value) => `at most ${json(value)}`],
  ['exclusiveMinimum', (value) => `greater than ${json(value)}`],
  ['exclusiveMaximum', (value) => `less than ${json(value)}`],
  ['multipleOf', (value) => `a multiple of ${json(value)}`],
  ['minLength', (value) => `at least ${json(value)} characters`],
  ['maxLength', (value) => `at most ${json(value)} characters`],
  ['minItems', (value) => `at least ${json(value)} items`],
  ['maxItems', (value) => `at most ${json(value)} items`],
  ['minProperties', (value) => `at least ${json(value)} properties`],
  ['maxProperties', (value) => `at most ${json(value)} properties`],
  ['uniqueItems', () => 'no item twice'],
  ['pattern', (value) => `matches the regular expression ${String(value)}`],
  ['format', (value) => `format ${String(value)}`],
  ['default', (value) => `default ${json(value)}`],
  ['const', (value) => `must be ${json(value)}`],
  ['enum', (value) => `one of ${listOf(value).map(json).join(', ')}`],
  ['examples', (value) => `for example ${listOf(value).map(json).join(', ')}`],
  ['example', (value) => `for example ${json(value)}`],
  ['prefixItems', (value) => `exactly in this order: ${listOf(value).map(shape).join(', ')}`],
  ['patternProperties', (value) => Object.entries(recordOf(value)).map(patternProperty).join('; ')],
  [
    'additionalProperties',
    (value) => (value === true ? 'further properties of any kind' : `further properties: ${shape(value)}`),
  ],
  ['dependentRequired', (value) => Object.entries(recordOf(value)).map(dependency).join('; ')],
  ['required', (value) => `required: ${stringsOf(value).join(', ')}`],
])

/** Rules that have no short words: the model is given them as JSON Schema. */
const RULES = new Set([
  'additionalItems',
  'anyOf',
  'contains',
  'dependencies',
  'dependentSchemas',
  'if',
  'not',
  'oneOf',
  'propertyNames',
  'unevaluatedItems',
  'unevaluatedProperties',
])

/** What a keyword of a schema demands, for the model; undefined if it demands nothing, or that would be too long. */
export function inWords(name: string, schema: Schema): string | undefined {
  const phrase = PHRASES.get(name)
  if (!phrase && !RULES.has(name)) return undefined
  const words = phrase ? phrase(schema[name]) : `it must also satisfy the JSON Schema ${json(rule(name, schema))}`
  return words.length > MAX_CHARS ? undefined : words
}

function rule(name: string, schema: Schema): Schema {
  const names = name === 'if' ? ['if', 'then', 'else'] : [name]
  return Object.fromEntries(names.flatMap((each) => (Object.hasOwn(schema, each) ? [[each, schema[each]]] : [])))
}

/**
 * Forms of which one has to be given, for the model.
 *
 * @param nameOf - What the model is told that a property is called.
 */
export function alternativesInWords(
  name: string,
  branches: readonly unknown[],
  nameOf: (name: string) => string,
): string | undefined {
  const forms = branches.map((branch) => form(branch, nameOf))
  const words = `${name === 'oneOf' ? 'exactly one' : 'at least one'} of these must be given: ${forms.join('; or ')}`
  return forms.includes(undefined) || words.length > 2 * MAX_CHARS ? undefined : words
}

/** A description, with more said at its end, once. */
export function describe(description: unknown, words: readonly string[]): string | undefined {
  return words.length === 0 ? joined(description) : joined(description, `(${[...new Set(words)].join('; ')})`)
}

/** Texts after one another; one that says what another says already is not repeated. */
export function joined(...texts: readonly unknown[]): string | undefined {
  let all: string | undefined
  for (const text of texts)
    if (typeof text === 'string' && !(all ?? '').includes(text || '\0')) all = all ? `${all} ${text}`.trimEnd() : text
  return all
}

/** A schema as JSON, without what only describes it; undefined if nothing is left, or it is too long. */
export function schemaInWords(schema: Schema): string | undefined {
  const words = json(without(schema, 'description', 'title'))
  return words === '{}' || words.length > MAX_CHARS ? undefined : words
}

function form(branch: unknown, nameOf: (name: string) => string): string | undefined {
  if (!isSchema(branch)) return undefined
  const required = stringsOf(keyword(branch, 'required'))
  const properties = Object.entries(recordOf(keyword(branch, 'properties')))
  const fixed = new Map(properties.flatMap(([name, value]) => (isSchema(value) ? fixedValue(name, value) : [])))
  const names = [...new Set([...fixed.keys(), ...required])]
  if (names.length === 0) return typeof branch['title'] === 'string' ? branch['title'] : undefined
  return names.map((name) => [nameOf(name), ...(fixed.has(name) ? [fixed.get(name)] : [])].join(' ')).join(' and ')
}

function fixedValue(name: string, schema: Schema): [string, string][] {
  if (Object.hasOwn(schema, 'const')) return [[name, json(schema['const'])]]
  const values = listOf(keyword(schema, 'enum'))
  return values.length === 1 ? [[name, json(values[0])]] : []
}

function shape(schema: unknown): string {
  if (!isSchema(schema)) return 'anything'
  const type = keyword(schema, 'type')
  return typeof type === 'string' && Object.keys(schema).length === 1 ? type : json(schema)
}

function patternProperty([pattern, schema]: [string, unknown]): string {
  return `properties whose name matches ${pattern}: ${shape(schema)}`
}

function dependency([name, needed]: [string, unknown]): string {
  return `${name} needs ${stringsOf(needed).join(' and ')}`
}

function json(value: unknown): string {
  return JSON.stringify(value) ?? 'nothing'
}
