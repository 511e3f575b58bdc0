import {
  isSameJson,
  isSchema,
  keyword,
  listOf,
  pointerToken,
  recordOf,
  resolveReference,
  stringsOf,
  type Schema,
} from './jsonSchema.ts'
import { typesOf } from './repairSchema.ts'

/** True or false if that is certain; undefined if it is not. */
type Verdict = boolean | undefined

/** What is wrong with a value, and where in it. */
export interface Mismatch {
  /** JSON Pointer into the value. */
  readonly path: string
  readonly message: string
}

/** A mismatch that is put into words when it is told, because most are not. */
interface Found {
  readonly path: string
  readonly message: string | (() => string)
}

interface Tried {
  readonly verdict: Verdict
  readonly found: readonly Found[]
}

export interface Match {
  readonly verdict: Verdict
  /** Why the verdict is false. Empty otherwise. */
  readonly mismatches: readonly Mismatch[]
}

/** How many steps may still be taken: milliseconds, at most. */
export interface Budget {
  steps: number
}

export const MAX_STEPS = 20_000
const MAX_DEPTH = 128
const MAX_TOLD = 10
const MAX_ALLOWED_CHARS = 200

class Undecided extends Error {}

/**
 * Whether a value fits a schema, as far as that can be said in bounded time and without doubt (security T46): each step is
 * counted, no regular expression is run, no reference is followed out of the schema, nothing is compiled. What would need
 * that is left open, and so is what drafts of JSON Schema, or their validators, see differently.
 *
 * @param root - What references in the schema refer to.
 * @param budget - Shared by matches that belong together.
 */
export function matchSchema(
  root: Schema,
  schema: unknown,
  value: unknown,
  budget: Budget = { steps: MAX_STEPS },
): Match {
  try {
    const mismatches: Found[] = []
    const verdict = new Matcher(root, budget).match(schema, value, '', mismatches)
    const told = verdict === false ? mismatches.slice(0, MAX_TOLD) : []
    return { verdict, mismatches: told.map((each) => ({ path: each.path, message: inWords(each) })) }
  } catch (error) {
    if (error instanceof Undecided) return { verdict: undefined, mismatches: [] }
    throw error
  }
}

class Matcher {
  readonly #root: Schema
  readonly #budget: Budget
  #depth = 0

  constructor(root: Schema, budget: Budget) {
    this.#root = root
    this.#budget = budget
  }

  match(schema: unknown, value: unknown, path: string, into: Found[]): Verdict {
    this.#step()
    if (schema === true) return true
    if (schema === false) return wrong(into, path, 'must not be given')
    if (!isSchema(schema)) return undefined
    if (this.#depth > MAX_DEPTH) throw new Undecided()
    this.#depth += 1
    const verdict = this.#matchSchema(schema, value, path, into)
    this.#depth -= 1
    return verdict
  }

  #matchSchema(schema: Schema, value: unknown, path: string, into: Found[]): Verdict {
    const names = Object.keys(schema)
    this.#step(names.length)
    if (Object.hasOwn(schema, '$ref')) return this.#reference(schema, value, path, into)
    const verdicts = [
      this.#type(schema, value, path, into),
      this.#constant(schema, value, path, into),
      this.#combined(schema, value, path, into),
      names.some((name) => LEFT_OPEN.has(name)) ? undefined : true,
    ]
    if (typeof value === 'number') verdicts.push(numberFits(schema, value, path, into))
    if (typeof value === 'string') verdicts.push(this.#string(schema, value, path, into))
    if (Array.isArray(value)) verdicts.push(this.#array(schema, value, path, into))
    if (isSchema(value)) verdicts.push(this.#object(schema, value, path, into))
    return all(verdicts)
  }

  /** What is beside `$ref` counts in some drafts and validators and not in others: it can leave open, and not refuse. */
  #reference(schema: Schema, value: unknown, path: string, into: Found[]): Verdict {
    const target = resolveReference(this.#root, schema['$ref'])
    if (target === undefined) return undefined
    const isAlone = Object.keys(schema).every((name) => ANNOTATIONS.has(name))
    return all([this.match(target, value, path, into), isAlone ? true : undefined])
  }

  #type(schema: Schema, value: unknown, path: string, into: Found[]): Verdict {
    const types = typesOf(schema)
    if (types === undefined) return true
    this.#step(types.length)
    if (types.length === 0 || types.some((type) => !KNOWN_TYPES.has(type))) return undefined
    const actual = typeOf(value)
    if (types.includes(actual) || (actual === 'integer' && types.includes('number'))) return true
    return wrong(into, path, `must be ${types.map(article).join(' or ')}, and is ${article(actual)}`)
  }

  #constant(schema: Schema, value: unknown, path: string, into: Found[]): Verdict {
    const constant = Object.hasOwn(schema, 'const') ? [schema['const']] : undefined
    return all(
      [constant, keyword(schema, 'enum')].map((allowed) => {
        if (allowed === undefined) return true
        if (!Array.isArray(allowed)) return undefined
        if (allowed.some((one) => this.#isSame(one, value))) return true
        if (value === null && keyword(schema, 'nullable') === true) return undefined
        return wrong(into, path, () => allowedInWords(allowed))
      }),
    )
  }

  #combined(schema: Schema, value: unknown, path: string, into: Found[]): Verdict {
    return all([
      ...this.#branches(schema, 'allOf').map((branch) => this.match(branch, value, path, into)),
      this.#anyOf(schema, value, path, into),
      this.#oneOf(schema, value, path, into),
      this.#not(schema, value, path, into),
      this.#conditional(schema, value, path, into),
    ])
  }

  #branches(schema: Schema, name: string): readonly unknown[] {
    return listOf(keyword(schema, name))
  }

  #anyOf(schema: Schema, value: unknown, path: string, into: Found[]): Verdict {
    const branches = this.#branches(schema, 'anyOf')
    if (branches.length === 0) return true
    const tried = branches.map((branch) => this.#try(branch, value, path))
    if (tried.some(({ verdict }) => verdict !== false))
      return tried.some(({ verdict }) => verdict === true) ? true : undefined
    return this.#noBranch(tried, path, into)
  }

  #oneOf(schema: Schema, value: unknown, path: string, into: Found[]): Verdict {
    const branches = this.#branches(schema, 'oneOf')
    if (branches.length === 0) return true
    const tried = branches.map((branch) => this.#try(branch, value, path))
    const fitting = tried.filter(({ verdict }) => verdict === true).length
    if (fitting > 1) return wrong(into, path, 'must fit exactly one of the forms in its schema, and fits several')
    if (tried.some(({ verdict }) => verdict === undefined)) return undefined
    return fitting === 1 ? true : this.#noBranch(tried, path, into)
  }

  #not(schema: Schema, value: unknown, path: string, into: Found[]): Verdict {
    if (!Object.hasOwn(schema, 'not')) return true
    const { verdict } = this.#try(schema['not'], value, path)
    if (verdict === true) return wrong(into, path, 'is what its schema excludes (`not`)')
    return verdict === false ? true : undefined
  }

  #conditional(schema: Schema, value: unknown, path: string, into: Found[]): Verdict {
    if (!Object.hasOwn(schema, 'if')) return true
    const { verdict } = this.#try(schema['if'], value, path)
    const then = verdict === undefined ? undefined : verdict ? 'then' : 'else'
    if (then === undefined) return undefined
    return Object.hasOwn(schema, then) ? this.match(schema[then], value, path, into) : true
  }

  #try(schema: unknown, value: unknown, path: string): Tried {
    const found: Found[] = []
    return { verdict: this.match(schema, value, path, found), found }
  }

  /** Says what is wrong with the form that comes nearest: the one that is wrong further inside only. */
  #noBranch(tried: readonly Tried[], path: string, into: Found[]): false {
    const near = tried.filter(({ found }) => found.every((each) => each.path !== path))
    const [nearest] = near.length === 1 ? near : tried
    if (nearest && (near.length === 1 || tried.length === 1)) into.push(...nearest.found)
    else
      wrong(into, path, () => {
        const reasons = tried.flatMap(({ found }) => found.filter((each) => each.path === path)).slice(0, 3)
        const words = [...new Set(reasons.map(inWords))].join('; ')
        return `must fit one of the forms in its schema${words === '' ? '' : ` (${words})`}`
      })
    return false
  }

  /** Characters are code points in JSON Schema, and UTF-16 units in many a validator: wrong is what is wrong in both. */
  #string(schema: Schema, value: string, path: string, into: Found[]): Verdict {
    const most = keyword(schema, 'maxLength')
    const isLong = typeof most === 'number' && value.length > most
    if (isLong) this.#step(value.length)
    return all([
      atLeast(schema, 'minLength', value.length, 'characters', path, into),
      atMost(schema, 'maxLength', isLong ? codePoints(value) : value.length, 'characters', path, into),
    ])
  }

  #array(schema: Schema, value: readonly unknown[], path: string, into: Found[]): Verdict {
    const items = keyword(schema, 'items')
    const tuple = Array.isArray(items) ? items : listOf(keyword(schema, 'prefixItems'))
    const rest = Array.isArray(items) ? keyword(schema, 'additionalItems') : items
    const verdicts = value.map((item, index) => {
      const itemSchema = index < tuple.length ? tuple[index] : rest
      return itemSchema === undefined ? true : this.match(itemSchema, item, `${path}/${index}`, into)
    })
    return all([
      ...verdicts,
      atLeast(schema, 'minItems', value.length, 'items', path, into),
      atMost(schema, 'maxItems', value.length, 'items', path, into),
      this.#unique(schema, value, path, into),
    ])
  }

  #unique(schema: Schema, value: readonly unknown[], path: string, into: Found[]): Verdict {
    if (keyword(schema, 'uniqueItems') !== true) return true
    const isTwice = value.some((item, index) => value.slice(0, index).some((earlier) => this.#isSame(earlier, item)))
    return isTwice ? wrong(into, path, 'must not have the same item twice') : true
  }

  #object(schema: Schema, value: Schema, path: string, into: Found[]): Verdict {
    const properties = recordOf(keyword(schema, 'properties'))
    const missing = stringsOf(keyword(schema, 'required')).filter((name) => {
      this.#step()
      return !Object.hasOwn(value, name)
    })
    for (const name of missing) wrong(into, path, `must have ${JSON.stringify(name)}`)
    const names = Object.keys(value)
    const rest = this.#rest(schema)
    const unknown = rest === false ? names.filter((name) => !Object.hasOwn(properties, name)) : []
    if (unknown.length > 0)
      wrong(into, path, () => {
        const some = unknown.slice(0, 5).map((name) => JSON.stringify(name))
        return `must not have ${some.join(', ')}, but ${known(properties)}`
      })
    return all([
      missing.length === 0 && unknown.length === 0,
      ...names.map((name) => {
        const isDeclared = Object.hasOwn(properties, name)
        if (!isDeclared && rest === false) return false
        return this.match(isDeclared ? properties[name] : rest, value[name], `${path}/${pointerToken(name)}`, into)
      }),
      this.#dependencies(schema, value, path, into),
      atLeast(schema, 'minProperties', names.length, 'properties', path, into),
      atMost(schema, 'maxProperties', names.length, 'properties', path, into),
    ])
  }

  /** What further properties must fit: left open where names are told by a pattern. */
  #rest(schema: Schema): unknown {
    if (Object.keys(recordOf(keyword(schema, 'patternProperties'))).length > 0) return undefined
    return Object.hasOwn(schema, 'additionalProperties') ? schema['additionalProperties'] : true
  }

  #dependencies(schema: Schema, value: Schema, path: string, into: Found[]): Verdict {
    const dependent = Object.entries(recordOf(keyword(schema, 'dependentRequired')))
    this.#step(dependent.length)
    const given = dependent.filter(([name]) => Object.hasOwn(value, name))
    const missing = given.flatMap(([name, needed]) =>
      stringsOf(needed).flatMap((other) =>
        Object.hasOwn(value, other)
          ? []
          : [`must have ${JSON.stringify(other)} because it has ${JSON.stringify(name)}`],
      ),
    )
    for (const message of missing) wrong(into, path, message)
    return missing.length === 0
  }

  #isSame(one: unknown, other: unknown): boolean {
    this.#step(sizeOf(one))
    return isSameJson(one, other)
  }

  #step(count = 1): void {
    if ((this.#budget.steps -= count) < 0) throw new Undecided()
  }
}

/** Keywords of which nothing is decided here. Formats are read differently everywhere; a pattern may hang who runs it. */
const LEFT_OPEN = new Set([
  '$dynamicRef',
  '$recursiveRef',
  'contains',
  'dependencies',
  'dependentSchemas',
  'disallow',
  'divisibleBy',
  'extends',
  'format',
  'pattern',
  'patternProperties',
  'propertyNames',
  'unevaluatedItems',
  'unevaluatedProperties',
])
const ANNOTATIONS = new Set([
  '$comment',
  '$defs',
  '$ref',
  '$schema',
  'definitions',
  'default',
  'deprecated',
  'description',
  'examples',
  'title',
])
const KNOWN_TYPES = new Set(['array', 'boolean', 'integer', 'null', 'number', 'object', 'string'])

function all(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes(false)) return false
  return verdicts.includes(undefined) ? undefined : true
}

function inWords({ message }: Found): string {
  return typeof message === 'string' ? message : message()
}

function wrong(into: Found[], path: string, message: Found['message']): false {
  into.push({ path, message })
  return false
}

function numberFits(schema: Schema, value: number, path: string, into: Found[]): Verdict {
  return all([
    bound(schema, 'minimum', (limit) => value >= limit, 'at least', path, into),
    bound(schema, 'maximum', (limit) => value <= limit, 'at most', path, into),
    bound(schema, 'exclusiveMinimum', (limit) => value > limit, 'greater than', path, into),
    bound(schema, 'exclusiveMaximum', (limit) => value < limit, 'less than', path, into),
    multiple(schema, value, path, into),
  ])
}

function bound(
  schema: Schema,
  name: string,
  isWithin: (limit: number) => boolean,
  words: string,
  path: string,
  into: Found[],
): Verdict {
  const limit = keyword(schema, name)
  if (limit === undefined) return true
  // A flag beside the bound, in draft 4 and OpenAPI 3.0.
  if (typeof limit !== 'number') return undefined
  return isWithin(limit) || wrong(into, path, `must be ${words} ${limit}`)
}

/** Whole numbers only: of others, what divides what is a matter of rounding. */
function multiple(schema: Schema, value: number, path: string, into: Found[]): Verdict {
  const divisor = keyword(schema, 'multipleOf')
  if (divisor === undefined) return true
  if (!Number.isSafeInteger(divisor) || !Number.isSafeInteger(value) || divisor === 0) return undefined
  return value % Number(divisor) === 0 || wrong(into, path, `must be a multiple of ${Number(divisor)}`)
}

function atLeast(schema: Schema, name: string, count: number, what: string, path: string, into: Found[]): Verdict {
  const limit = keyword(schema, name)
  if (limit === undefined) return true
  if (typeof limit !== 'number') return undefined
  return count >= limit || wrong(into, path, `must have at least ${limit} ${what}, and has ${count}`)
}

function atMost(schema: Schema, name: string, count: number, what: string, path: string, into: Found[]): Verdict {
  const limit = keyword(schema, name)
  if (limit === undefined) return true
  if (typeof limit !== 'number') return undefined
  return count <= limit || wrong(into, path, `must have at most ${limit} ${what}, and has ${count}`)
}

function codePoints(text: string): number {
  let count = 0
  for (const _ of text) count += 1
  return count
}

function allowedInWords(allowed: readonly unknown[]): string {
  const words = allowed.map((one) => JSON.stringify(one)).join(', ')
  return words.length <= MAX_ALLOWED_CHARS
    ? `must be one of ${words}`
    : `must be one of the ${allowed.length} values that its schema lists`
}

function known(properties: Schema): string {
  const names = Object.keys(properties)
  const words = names.map((name) => JSON.stringify(name)).join(', ')
  if (names.length === 0) return 'no properties'
  return words.length <= MAX_ALLOWED_CHARS
    ? `only ${words}`
    : `only the ${names.length} properties that its schema lists`
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return Number.isInteger(value) ? 'integer' : typeof value
}

function article(type: string): string {
  if (type === 'null') return 'null'
  return /^[aio]/.test(type) ? `an ${type}` : `a ${type}`
}

function sizeOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1
  return Object.values(value).reduce((size: number, item) => size + sizeOf(item), 1)
}
