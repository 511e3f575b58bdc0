import { isSchema, keyword, listOf, stringsOf, type Schema } from './jsonSchema.ts'

/** What was done to a keyword, and what it said if the model should be told. */
export interface Repair {
  readonly keyword: string
  readonly change: string
  readonly lost?: unknown
}

const TYPES = new Set(['array', 'boolean', 'integer', 'null', 'number', 'object', 'string'])
/** Names of types in other languages, which real servers list. */
const OTHER_TYPES = new Map(
  Object.entries({
    any: undefined,
    bool: 'boolean',
    date: 'string',
    datetime: 'string',
    dict: 'object',
    double: 'number',
    float: 'number',
    int: 'integer',
    list: 'array',
    long: 'integer',
    None: 'null',
    str: 'string',
    text: 'string',
  }),
)

type Check = (value: unknown) => boolean

const isString: Check = (value) => typeof value === 'string'
const isBoolean: Check = (value) => typeof value === 'boolean'
const isNumber: Check = (value) => typeof value === 'number'
const isCount: Check = (value) => Number.isInteger(value) && Number(value) >= 0
const isAnySchema: Check = (value) => isSchema(value) || typeof value === 'boolean'
const isSchemaList: Check = (value) => Array.isArray(value) && value.length > 0 && value.every(isAnySchema)
const isSchemaMap: Check = (value) => isSchema(value) && Object.values(value).every(isAnySchema)
const isStrings: Check = (value) =>
  Array.isArray(value) && value.every(isString) && new Set(value).size === value.length

/** What the meta-schema of JSON Schema 2020-12 wants a keyword to be. A provider refuses the whole request otherwise. */
const WELL_FORMED: ReadonlyMap<string, Check> = new Map<string, Check>([
  ...['$anchor', '$comment', '$dynamicAnchor', '$dynamicRef', '$id', '$ref', '$schema'].map(of(isString)),
  ...['contentEncoding', 'contentMediaType', 'description', 'format', 'pattern', 'title'].map(of(isString)),
  ...['deprecated', 'readOnly', 'uniqueItems', 'writeOnly'].map(of(isBoolean)),
  ...['exclusiveMaximum', 'exclusiveMinimum', 'maximum', 'minimum'].map(of(isNumber)),
  ...['maxContains', 'maxItems', 'maxLength', 'maxProperties', 'minContains'].map(of(isCount)),
  ...['minItems', 'minLength', 'minProperties'].map(of(isCount)),
  ...['additionalProperties', 'contains', 'contentSchema', 'else', 'if', 'items', 'not'].map(of(isAnySchema)),
  ...['propertyNames', 'then', 'unevaluatedItems', 'unevaluatedProperties'].map(of(isAnySchema)),
  ...['allOf', 'anyOf', 'oneOf', 'prefixItems'].map(of(isSchemaList)),
  ...['$defs', 'definitions', 'dependentSchemas', 'patternProperties', 'properties'].map(of(isSchemaMap)),
  ['dependentRequired', (value) => isSchema(value) && Object.values(value).every(isStrings)],
  ['enum', (value) => Array.isArray(value) && value.length > 0],
  ['examples', Array.isArray],
  ['multipleOf', (value) => isNumber(value) && Number(value) > 0],
  ['required', isStrings],
  ['type', (value) => isType(value)],
])

function of(check: Check): (name: string) => [string, Check] {
  return (name) => [name, check]
}

/**
 * The same schema as JSON Schema 2020-12 writes it: what older drafts, OpenAPI or a slip wrote otherwise is rewritten, and
 * what means nothing is left out. Its subschemas are left as they are.
 */
export function repairSchema(schema: Schema): { readonly schema: Schema; readonly repairs: readonly Repair[] } {
  const repaired = new Map(Object.entries(schema))
  const repairs: Repair[] = []
  const put = (name: string, value: unknown, change: string, lost?: unknown): void => {
    if (value === undefined) repaired.delete(name)
    else repaired.set(name, value)
    repairs.push({ keyword: name, change, lost })
  }
  repairTuple(repaired, put)
  repairBounds(repaired, put)
  for (const [name, value] of Array.from(repaired)) {
    if (WELL_FORMED.get(name)?.(value) !== false) continue
    const better = BETTER.get(name)?.(value)
    const isFine = better !== undefined && WELL_FORMED.get(name)?.(better) === true
    put(
      name,
      isFine ? better : undefined,
      isFine ? 'written as JSON Schema 2020-12 has it' : 'left out: it means nothing in JSON Schema',
    )
  }
  return repairs.length > 0 ? { schema: Object.fromEntries(repaired), repairs } : { schema, repairs }
}

type Put = (name: string, value: unknown, change: string, lost?: unknown) => void

/** What is meant by a value that is not well formed. */
const BETTER: ReadonlyMap<string, (value: unknown) => unknown> = new Map<string, (value: unknown) => unknown>([
  ['properties', repairedMap],
  ['$defs', repairedMap],
  ['definitions', repairedMap],
  ['required', (value) => (Array.isArray(value) ? [...new Set(stringsOf(value))] : undefined)],
  ['type', betterType],
  ...['anyOf', 'oneOf', 'allOf'].map((name): [string, (value: unknown) => unknown] => [
    name,
    (value) => listOf(value).filter(isAnySchema),
  ]),
])

/** `items` with a list, of the drafts before 2020-12 (section 10.3.1.1 there). */
function repairTuple(schema: Map<string, unknown>, put: Put): void {
  if (!Array.isArray(schema.get('items'))) return
  const change = 'written as JSON Schema 2020-12 has it: `prefixItems`'
  const rest = schema.get('additionalItems')
  const tuple = listOf(schema.get('items'))
  if (tuple.length > 0 && !schema.has('prefixItems')) put('prefixItems', tuple, change)
  put('items', isAnySchema(rest) ? rest : undefined, change)
  if (schema.has('additionalItems')) put('additionalItems', undefined, change)
}

/** `exclusiveMinimum: true` beside `minimum`, of draft 4 and OpenAPI 3.0. */
function repairBounds(schema: Map<string, unknown>, put: Put): void {
  for (const [exclusive, bound] of [
    ['exclusiveMinimum', 'minimum'],
    ['exclusiveMaximum', 'maximum'],
  ] as const) {
    const flag = schema.get(exclusive)
    if (typeof flag !== 'boolean') continue
    const limit = schema.get(bound)
    const change = 'written as JSON Schema 2020-12 has it: the bound itself'
    if (flag && typeof limit === 'number') {
      put(exclusive, limit, change)
      put(bound, undefined, change)
    } else put(exclusive, undefined, change)
  }
}

function repairedMap(value: unknown): unknown {
  if (!isSchema(value)) return undefined
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, isAnySchema(item) ? item : {}]))
}

function isType(value: unknown): boolean {
  if (Array.isArray(value))
    return isStrings(value) && value.length > 0 && value.every((name) => TYPES.has(String(name)))
  return typeof value === 'string' && TYPES.has(value)
}

function betterType(value: unknown): unknown {
  const names = stringsOf(Array.isArray(value) ? value : [value]).map((name) => {
    const lower = name.toLowerCase()
    return TYPES.has(lower) ? lower : (OTHER_TYPES.get(name) ?? OTHER_TYPES.get(lower))
  })
  if (names.length === 0 || names.includes(undefined)) return undefined
  const known = [...new Set(names)]
  return known.length === 1 ? known[0] : known
}

/** The types that a schema allows by name; undefined if it allows all. `nullable` is OpenAPI 3.0. */
export function typesOf(schema: Schema): readonly string[] | undefined {
  const type = keyword(schema, 'type')
  if (type === undefined) return undefined
  const types = stringsOf(Array.isArray(type) ? type : [type])
  return keyword(schema, 'nullable') === true && !types.includes('null') ? [...types, 'null'] : types
}
