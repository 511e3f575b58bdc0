import { isDeepStrictEqual } from 'node:util'

type Schema = Record<string, unknown>

interface Change {
  readonly path: string
  readonly change: string
}

const MAPS = new Set(['properties', '$defs', 'definitions', 'patternProperties', 'dependentSchemas'])
const LISTS = new Set(['allOf', 'anyOf', 'oneOf', 'prefixItems'])
const ONES = new Set([
  'items',
  'additionalProperties',
  'additionalItems',
  'not',
  'if',
  'then',
  'else',
  'contains',
  'propertyNames',
  'unevaluatedProperties',
  'unevaluatedItems',
])

/**
 * Where an adapted schema differs from the true one and no report says so, as JSON Pointers into the true one. A report of
 * a keyword covers that keyword; one of a schema covers the schema; one of the root covers nothing.
 */
export function silentChanges(truth: unknown, adapted: unknown, changes: readonly Change[]): readonly string[] {
  const reported = new Map<string, readonly string[]>()
  for (const { path, change } of changes) reported.set(path, [...(reported.get(path) ?? []), change])
  const isReported = (path: string) => path !== '' && reported.has(path)
  const silent: string[] = []
  compare(truth, adapted, '', new Set())
  return [...new Set(silent)]

  function compare(before: unknown, after: unknown, at: string, seen: ReadonlySet<string>): void {
    if (isDeepStrictEqual(before, after) || seen.has(at)) return
    const own = reported.get(at) ?? []
    const isOptional = own.some((change) => change.includes('leaves it out'))
    const isRenamed = own.some((change) => change.startsWith('renamed'))
    if (at !== '' && own.some((change) => !change.includes('leaves it out') && !change.startsWith('renamed'))) return
    if (!isRecord(before) || !isRecord(after)) return note(at, isOptional || isRenamed ? before : undefined)
    compareSchemas(
      before,
      isOptional
        ? withoutAbsence(
            after,
            own.some((change) => change.includes('(omit)')),
          )
        : after,
      at,
      new Set([...seen, at]),
    )
  }

  function note(at: string, before?: unknown): void {
    // `true` is a schema without keywords.
    if (before !== true) silent.push(at)
  }

  function compareSchemas(before: Schema, after: Schema, at: string, seen: ReadonlySet<string>): void {
    if (typeof before['$ref'] === 'string' && after['$ref'] !== before['$ref'] && isReported(`${at}/$ref`)) {
      const [target, pointer] = resolve(truth, before['$ref'])
      const isCopied = String(after['$ref']).startsWith('#/$defs/copy_')
      if (isCopied) compare(target, resolve(adapted, String(after['$ref']))[0], pointer, seen)
      else if (Object.keys(before).length > 1) compareLoosely(before, after, at, seen)
      else if (target !== undefined) compare(target, after, pointer, seen)
      return
    }
    const isCombined = ['allOf', 'anyOf', 'oneOf', '$ref'].some((name) => isReported(`${at}/${name}`))
    if (isCombined) return compareLoosely(before, after, at, seen)
    for (const name of new Set([...Object.keys(before), ...Object.keys(after)]))
      compareKeyword(before, after, name, at, seen)
  }

  function compareKeyword(before: Schema, after: Schema, name: string, at: string, seen: ReadonlySet<string>): void {
    const path = `${at}/${token(name)}`
    const [one, other] = [before[name], after[name]]
    if (isDeepStrictEqual(one, other) || isReported(path)) return
    const isMoved = /\/(anyOf|oneOf)\/\d+$/.test(at) && isReported(`${at.replace(/\/\w+\/\d+$/, '')}/${name}`)
    if (name === 'title' && isMoved) return
    if (name === 'description') {
      const isKept = textOf(other).includes(textOf(one))
      const isTold =
        isMoved || [...reported.keys()].some((each) => each.startsWith(`${at}/`) || (each === at && at !== ''))
      if (!isKept || !isTold) silent.push(path)
    } else if (MAPS.has(name) && isRecord(one ?? {}) && isRecord(other)) {
      compareMaps(isRecord(one) ? one : {}, other, path, seen)
    } else if (LISTS.has(name) && Array.isArray(one) && Array.isArray(other) && one.length === other.length) {
      for (const [index, each] of one.entries()) compare(each, other[index], `${path}/${index}`, seen)
    } else if (ONES.has(name) && one !== undefined && other !== undefined) {
      compare(one, other, path, seen)
    } else if (name === 'required' && isDeepStrictEqual(namesAfter(at, one), sorted(other))) return
    else silent.push(path)
  }

  function namesAfter(at: string, names: unknown): unknown {
    return Array.isArray(names) ? sorted(names.map((name) => nameAfter(`${at}/properties`, String(name)))) : names
  }

  function nameAfter(path: string, name: string): string {
    const renamed = reported.get(`${path}/${token(name)}`)?.find((change) => change.startsWith('renamed to '))
    return renamed?.slice('renamed to '.length) ?? name
  }

  function compareMaps(before: Schema, after: Schema, path: string, seen: ReadonlySet<string>): void {
    const given = new Map(Object.keys(before).map((name) => [nameAfter(path, name), name]))
    for (const [name, schema] of Object.entries(before)) {
      const other = nameAfter(path, name)
      if (Object.hasOwn(after, other)) compare(schema, after[other], `${path}/${token(name)}`, seen)
      else if (!isReported(`${path}/${token(name)}`)) silent.push(`${path}/${token(name)}`)
    }
    for (const name of Object.keys(after))
      if (!given.has(name) && !isReported(`${path}/${token(name)}`)) silent.push(`${path}/${token(name)}`)
  }

  /** Of a schema that was put together of several: each property of which there is one definition is compared with it. */
  function compareLoosely(before: unknown, after: Schema, at: string, seen: ReadonlySet<string>): void {
    const candidates = propertiesOf(before, at, new Set())
    for (const [name, schema] of Object.entries(isRecord(after['properties']) ? after['properties'] : {})) {
      const found = candidates.filter((candidate) => nameAfter(candidate.map, candidate.name) === name)
      const isAdded = [...reported.keys()].some(
        (each) => each.startsWith(`${at}/`) && each.endsWith(`/properties/${token(name)}`),
      )
      if (found.length === 0 && !isAdded) silent.push(`${at}/properties/${token(name)}`)
      const [only] = found
      if (only && found.length === 1) compare(only.schema, schema, `${only.map}/${token(only.name)}`, seen)
    }
  }

  function propertiesOf(
    schema: unknown,
    at: string,
    visited: Set<string>,
  ): { name: string; schema: unknown; map: string }[] {
    if (!isRecord(schema) || visited.has(at)) return []
    visited.add(at)
    const own = Object.entries(isRecord(schema['properties']) ? schema['properties'] : {}).map(([name, each]) => ({
      name,
      schema: each,
      map: `${at}/properties`,
    }))
    const parts = ['allOf', 'anyOf', 'oneOf'].flatMap((name) =>
      (Array.isArray(schema[name]) ? schema[name] : []).flatMap((each: unknown, index: number) =>
        propertiesOf(each, `${at}/${name}/${index}`, visited),
      ),
    )
    const [target, pointer] = typeof schema['$ref'] === 'string' ? resolve(truth, schema['$ref']) : [undefined, '']
    return [...own, ...parts, ...(target === undefined ? [] : propertiesOf(target, pointer, visited))]
  }
}

/** Without the form in which a property that may be left out says so. */
function withoutAbsence(schema: Schema, isOmit: boolean): Schema {
  const { type, enum: values, anyOf, ...rest } = schema
  if (Array.isArray(anyOf)) {
    const absence = isOmit ? { type: 'string', enum: ['(omit)'] } : { type: 'null' }
    const forms = anyOf.filter((form) => !isDeepStrictEqual(form, absence))
    const [only] = forms
    return forms.length === 1 && isRecord(only) ? { ...only, ...rest } : { anyOf: forms, ...rest }
  }
  if (!Array.isArray(type) || isOmit) return schema
  const types = type.filter((each) => each !== 'null')
  const listed = Array.isArray(values) ? { enum: values.filter((value) => value !== null) } : {}
  return { ...rest, ...listed, type: types.length === 1 ? types[0] : types }
}

function resolve(root: unknown, reference: string): [unknown, string] {
  if (!/^#(\/|$)/.test(reference)) return [undefined, '']
  const tokens = reference
    .slice(2)
    .split('/')
    .filter((each) => each !== '')
    .map((each) => decodeURIComponent(each).replaceAll('~1', '/').replaceAll('~0', '~'))
  const found = tokens.reduce<unknown>(
    (at, each) => (Object.hasOwn(Object(at), each) ? Reflect.get(Object(at), each) : undefined),
    root,
  )
  return [found, tokens.map((each) => `/${token(each)}`).join('')]
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function sorted(names: unknown): unknown {
  return Array.isArray(names) ? names.map(String).toSorted((a, b) => (a < b ? -1 : 1)) : names
}

function token(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}

function isRecord(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
