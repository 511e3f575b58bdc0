import type { SchemaProfile } from '@latchkey/core'
import { Ajv2020 } from 'ajv/dist/2020.js'

type Schema = Record<string, unknown>

/**
 * What a provider would refuse of a tool's schema, written down from its documentation and its answers, and without the
 * code that adapts schemas.
 */
export function profileProblems(schema: unknown, profile: SchemaProfile): readonly string[] {
  switch (profile) {
    case 'openai-strict':
      return strictProblems(schema)
    case 'gemini':
      return geminiProblems(schema)
    case 'openai':
      return openAiProblems(schema)
    case 'anthropic':
      return anthropicProblems(schema)
    case 'common':
      return [...openAiProblems(schema), ...anthropicProblems(schema)]
    case 'none':
    default:
      return []
  }
}

const metaSchema = new Ajv2020({ strict: false, logger: false, validateFormats: false })

/** The dialect that a schema names is its own affair; its keywords have to be those of 2020-12. */
function metaSchemaProblems(schema: unknown): readonly string[] {
  const rest = without(schema, '$schema')
  return metaSchema.validateSchema(rest) === true
    ? []
    : [`it is no JSON Schema 2020-12: ${metaSchema.errorsText(metaSchema.errors)}`]
}

function rootProblems(schema: unknown, refused: readonly string[]): readonly string[] {
  const root = recordOf(schema)
  const problems = refused.filter((name) => Object.hasOwn(root, name)).map((name) => `${name} at the top level`)
  return root['type'] === 'object' ? problems : [...problems, 'the root is no object']
}

function openAiProblems(schema: unknown): readonly string[] {
  const inner = everySchema(schema).flatMap(([at, each]) => {
    const problems: string[] = []
    if (typesOf(each).includes('array') && each['items'] === undefined) problems.push('array schema missing items')
    if (Array.isArray(each['items'])) problems.push('items is a list')
    if (Object.hasOwn(each, 'propertyNames')) problems.push('propertyNames is not permitted')
    if (typeof each['pattern'] === 'string' && !isPlainPattern(each['pattern'])) problems.push('pattern is not taken')
    if (typeof each['$ref'] === 'string' && !refersTo(schema, each['$ref'])) problems.push('$ref refers to nothing')
    return problems.map((problem) => `${at}: ${problem}`)
  })
  const root = rootProblems(schema, ['oneOf', 'anyOf', 'allOf', 'enum', 'const', 'not', '$ref'])
  return [...metaSchemaProblems(schema), ...root, ...inner]
}

function anthropicProblems(schema: unknown): readonly string[] {
  const names = everySchema(schema).flatMap(([at, each]) =>
    Object.keys(recordOf(each['properties'])).flatMap((name) =>
      /^[a-zA-Z0-9_.-]{1,64}$/.test(name) ? [] : [`${at}: property key ${JSON.stringify(name)}`],
    ),
  )
  return [...metaSchemaProblems(schema), ...rootProblems(schema, ['oneOf', 'anyOf', 'allOf', '$ref']), ...names]
}

const STRICT_KEYWORDS: Record<string, readonly string[]> = {
  string: ['enum', 'const', 'pattern', 'format'],
  number: ['enum', 'const', 'multipleOf', 'maximum', 'exclusiveMaximum', 'minimum', 'exclusiveMinimum'],
  integer: ['enum', 'const', 'multipleOf', 'maximum', 'exclusiveMaximum', 'minimum', 'exclusiveMinimum'],
  boolean: ['enum', 'const'],
  array: ['items', 'minItems', 'maxItems'],
  object: ['properties', 'required', 'additionalProperties'],
  null: [],
}
const STRICT_FORMATS = new Set<unknown>([
  'date-time',
  'time',
  'date',
  'duration',
  'email',
  'hostname',
  'ipv4',
  'ipv6',
  'uuid',
])

function strictProblems(schema: unknown): readonly string[] {
  const all = everySchema(schema)
  const properties = all.reduce((sum, [, each]) => sum + Object.keys(recordOf(each['properties'])).length, 0)
  const values = all.reduce((sum, [, each]) => sum + listOf(each['enum']).length, 0)
  const limits = [
    ...(properties > 5_000 ? ['more than 5,000 properties'] : []),
    ...(values > 1_000 ? ['more than 1,000 enum values'] : []),
    ...(levels(schema) > 11 ? ['more than 10 levels'] : []),
  ]
  const inner = all.flatMap(([at, each]) =>
    strictNodeProblems(schema, each, at === '').map((problem) => `${at}: ${problem}`),
  )
  return [...metaSchemaProblems(schema), ...rootProblems(schema, ['anyOf', '$ref']), ...limits, ...inner]
}

function strictNodeProblems(root: unknown, schema: Schema, isRoot: boolean): readonly string[] {
  const { $defs, definitions, ...rest } = without(schema, 'title', 'description')
  if (!isRoot && ($defs !== undefined || definitions !== undefined)) return ['definitions below the root']
  if (Object.hasOwn(rest, '$ref')) {
    const isAlone = Object.keys(schema).length === 1
    return isAlone && refersTo(root, rest['$ref'])
      ? []
      : ['$ref cannot have keywords beside it, and must refer to something']
  }
  if (Object.hasOwn(rest, 'anyOf'))
    return Object.keys(rest).length === 1 && listOf(rest['anyOf']).length > 0
      ? firstKeyProblems(rest['anyOf'])
      : ['keywords beside anyOf']
  const types = typesOf(rest)
  const allowed = new Set(['type', ...types.flatMap((type) => STRICT_KEYWORDS[String(type)] ?? [])])
  const problems = Object.keys(rest)
    .filter((name) => !allowed.has(name))
    .map((name) => `${name} is not permitted`)
  if (types.length === 0 || types.filter((type) => type !== 'null').length > 1) problems.push('it has not one type')
  if (types.includes('array') && rest['items'] === undefined) problems.push('array schema missing items')
  if (rest['format'] !== undefined && !STRICT_FORMATS.has(rest['format'])) problems.push('format is not supported')
  if (typeof rest['pattern'] === 'string' && !isPlainPattern(rest['pattern'])) problems.push('pattern is not supported')
  if (types.includes('object')) {
    if (rest['additionalProperties'] !== false) problems.push('additionalProperties must be false')
    const names = Object.keys(recordOf(rest['properties']))
    if (
      names.some((name) => !listOf(rest['required']).includes(name)) ||
      listOf(rest['required']).length !== names.length
    )
      problems.push('required must have every property')
  }
  return problems
}

function firstKeyProblems(forms: unknown): readonly string[] {
  const firsts = listOf(forms).flatMap((form) => {
    const [first] = Object.entries(recordOf(recordOf(form)['properties']))
    if (!first) return []
    const { const: constant, enum: values } = recordOf(first[1])
    const fixed = constant ?? (listOf(values).length === 1 ? listOf(values)[0] : undefined)
    return [fixed === undefined ? first[0] : `${first[0]} ${JSON.stringify(fixed)}`]
  })
  return new Set(firsts).size === firsts.length ? [] : ['objects in anyOf share identical first keys']
}

function levels(schema: unknown): number {
  if (typeof schema !== 'object' || schema === null) return 0
  const { properties, items, anyOf } = recordOf(schema)
  const forms = Math.max(0, ...listOf(anyOf).map(levels))
  const inner = [...Object.values(recordOf(properties)), ...(items === undefined ? [] : [items])].map(levels)
  const isNesting = properties !== undefined || items !== undefined
  return Math.max(forms, isNesting ? 1 + Math.max(0, ...inner) : 0)
}

/** `Schema` of the Gemini API (v1beta), with the JSON types in lower case, as every converter sends them. */
const GEMINI_KEYWORDS: Record<string, readonly string[]> = {
  string: ['enum', 'pattern', 'format', 'minLength', 'maxLength'],
  number: ['minimum', 'maximum', 'format'],
  integer: ['minimum', 'maximum', 'format'],
  boolean: [],
  array: ['items', 'minItems', 'maxItems'],
  object: ['properties', 'required', 'minProperties', 'maxProperties'],
  null: [],
}

function geminiProblems(schema: unknown): readonly string[] {
  const inner = everySchema(schema).flatMap(([at, each]) =>
    geminiNodeProblems(each).map((problem) => `${at}: ${problem}`),
  )
  return [...rootProblems(schema, ['anyOf']), ...inner]
}

function geminiNodeProblems(schema: Schema): readonly string[] {
  if (Object.hasOwn(schema, 'anyOf'))
    return Object.keys(schema).length === 1 ? [] : ['any_of must be the only field set']
  const { type, ...rest } = without(schema, 'title', 'description')
  if (typeof type !== 'string') return ['its type is not specified, or is a list']
  const problems = Object.keys(rest)
    .filter((name) => !GEMINI_KEYWORDS[type]?.includes(name))
    .map((name) => `unknown name ${name}`)
  if (type === 'array' && rest['items'] === undefined) problems.push('items: missing field')
  if (rest['enum'] !== undefined && !listOf(rest['enum']).every((value) => typeof value === 'string'))
    problems.push('enum of other values than strings')
  if (type === 'string' && rest['format'] !== undefined && rest['format'] !== 'enum' && rest['format'] !== 'date-time')
    problems.push('format')
  const names = Object.keys(recordOf(rest['properties']))
  for (const name of listOf(rest['required']))
    if (!names.includes(String(name))) problems.push('required: property is not defined')
  for (const name of names) if (!/^[a-zA-Z_][a-zA-Z0-9_]{0,63}$/.test(name)) problems.push(`parameter name ${name}`)
  return problems
}

/** No lookaround, no reference back, and nothing that Python's `re` writes otherwise. */
function isPlainPattern(pattern: string): boolean {
  return (
    !['(?=', '(?!', '(?<', '(?i', '\\p{', '\\P{', '\\k<', '\\u{'].some((part) => pattern.includes(part)) &&
    !/\\[1-9]/.test(pattern)
  )
}

function refersTo(root: unknown, reference: unknown): boolean {
  const pointer = String(reference)
  if (pointer === '#') return true
  if (!pointer.startsWith('#/')) return false
  const tokens = pointer
    .slice(2)
    .split('/')
    .map((token) => decodeURIComponent(token).replaceAll('~1', '/').replaceAll('~0', '~'))
  const found = tokens.reduce<unknown>(
    (at, token) => (Object.hasOwn(Object(at), token) ? Reflect.get(Object(at), token) : undefined),
    root,
  )
  return found !== undefined
}

/** Every schema in a schema that is an object, with where it is. */
function everySchema(schema: unknown, at = ''): readonly (readonly [string, Schema])[] {
  if (typeof schema !== 'object' || schema === null) return []
  const node = recordOf(schema)
  const maps = ['properties', '$defs', 'definitions', 'patternProperties', 'dependentSchemas']
  const lists = ['anyOf', 'oneOf', 'allOf', 'prefixItems']
  const ones = [
    'items',
    'additionalProperties',
    'not',
    'if',
    'then',
    'else',
    'contains',
    'propertyNames',
    'unevaluatedProperties',
  ]
  return [
    [at, node],
    ...maps.flatMap((name) =>
      Object.entries(recordOf(node[name])).flatMap(([key, each]) => everySchema(each, `${at}/${name}/${key}`)),
    ),
    ...lists.flatMap((name) =>
      listOf(node[name]).flatMap((each, index) => everySchema(each, `${at}/${name}/${index}`)),
    ),
    ...ones.flatMap((name) => (Array.isArray(node[name]) ? [] : everySchema(node[name], `${at}/${name}`))),
  ]
}

function typesOf(schema: Schema): readonly unknown[] {
  return [schema['type'] ?? []].flat()
}

function without(schema: unknown, ...names: readonly string[]): Schema {
  return Object.fromEntries(Object.entries(recordOf(schema)).filter(([name]) => !names.includes(name)))
}

function recordOf(value: unknown): Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value))
    : {}
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
