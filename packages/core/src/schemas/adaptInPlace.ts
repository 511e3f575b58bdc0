import { Unadaptable, UNRESOLVED, type Adaptation, type Adapted } from './adaptation.ts'
import { describe, inWords } from './inWords.ts'
import {
  isSameJson,
  isSchema,
  keyword,
  listOf,
  mapSubschemas,
  pointerToken,
  recordOf,
  resolveReference,
  stringsOf,
  without,
  type Schema,
} from './jsonSchema.ts'
import type { ExclusionRules } from './profileRules.ts'
import { acceptedName } from './propertyNames.ts'
import { typesOf } from './repairSchema.ts'
import type { Restore, RestoredProperty } from './restoreArguments.ts'

/** A schema without what a provider refuses; everything else stays as it is and where it is. */
export function adaptInPlace(adaptation: Adaptation, rules: ExclusionRules, root: Schema): Adapted {
  const adapted = adaptSchema(adaptation, rules, root)
  if (!isSchema(adapted.schema)) return adapted
  return { ...adapted, schema: withReferences(adaptation, rules, adapted.schema) }
}

function adaptSchema(adaptation: Adaptation, rules: ExclusionRules, given: unknown): Adapted {
  adaptation.step()
  if (!isSchema(given)) return { schema: given }
  const schema = accepted(adaptation, rules, adaptation.repaired(given))
  const restores = new Map<unknown, Restore | undefined>()
  const changed = mapSubschemas(renamed(adaptation, rules, schema), (subschema) => {
    const inner = adaptSchema(adaptation, rules, subschema)
    restores.set(subschema, inner.restore)
    return inner.schema
  })
  if (Object.hasOwn(schema, '$ref')) adaptation.target(schema['$ref'])
  const restore = restoreOf(rules, schema, (subschema) => restores.get(subschema))
  adaptation.restores.set(given, restore)
  return { schema: adaptation.derive(changed, given), restore }
}

function accepted(adaptation: Adaptation, rules: ExclusionRules, schema: Schema): Schema {
  const refused = Object.keys(schema).filter(
    (name) => rules.refused.has(name) || (name === 'pattern' && !rules.isPattern(String(schema[name]))),
  )
  const words = refused.flatMap((name) => {
    const said = inWords(name, schema)
    adaptation.change(schema, `/${pointerToken(name)}`, said === undefined ? 'left out' : 'moved into the description')
    return said ?? []
  })
  const kept = new Map(Object.entries(without(schema, ...refused)))
  if (words.length > 0) kept.set('description', describe(schema['description'], words))
  if (rules.arraysNeedItems && typesOf(schema)?.includes('array') === true && !kept.has('items')) {
    kept.set('items', {})
    adaptation.change(schema, '/items', 'added: items of any kind')
  }
  return adaptation.derive(Object.fromEntries(kept), schema)
}

/** With names of properties that the provider accepts. */
function renamed(adaptation: Adaptation, { propertyName }: ExclusionRules, schema: Schema): Schema {
  const rename = (name: string) => acceptedName(name, propertyName)
  const properties = Object.keys(recordOf(keyword(schema, 'properties')))
  const changed = properties.filter((name) => rename(name) !== name)
  if (changed.length === 0) return schema
  if (new Set(properties.map(rename)).size < properties.length)
    throw new Unadaptable('the names of its properties cannot be told apart where some characters are not allowed')
  for (const name of changed) adaptation.changeProperty(schema, name, `renamed to ${rename(name)}`)
  const isChanged = new Set(changed)
  const other = (name: string) => (isChanged.has(name) ? rename(name) : name)
  const entries = Object.entries(schema).map(([name, value]): [string, unknown] => {
    if (name === 'required') return [name, stringsOf(value).map(other)]
    if (name === 'dependentRequired')
      return [name, mapKeys(recordOf(value), other, (names) => stringsOf(names).map(other))]
    return [name, name === 'properties' || name === 'dependentSchemas' ? mapKeys(recordOf(value), other) : value]
  })
  const result = Object.fromEntries(entries)
  for (const name of ['dependentRequired', 'dependentSchemas'])
    if (!isSameJson(result[name], schema[name]))
      adaptation.change(schema, `/${name}`, 'with the names that were changed')
  return adaptation.derive(result, schema)
}

function mapKeys(record: Schema, key: (name: string) => string, value = (item: unknown) => item): Schema {
  return Object.fromEntries(Object.entries(record).map(([name, item]) => [key(name), value(item)]))
}

/** A name that was changed tells by itself what it was: whichever of several schemas changed it, it is changed back. */
function restoreOf(
  { propertyName }: ExclusionRules,
  schema: Schema,
  restoreIn: (subschema: unknown) => Restore | undefined,
): Restore | undefined {
  const parts: Restore[] = []
  const properties = Object.entries(recordOf(keyword(schema, 'properties'))).flatMap(([name, subschema]) => {
    const [given, restore] = [acceptedName(name, propertyName), restoreIn(subschema)]
    const restored: RestoredProperty = { name, restore }
    return given !== name
      ? [[given, restored] as const, [name, restored] as const]
      : restore
        ? [[name, restored] as const]
        : []
  })
  const rest = restoreIn(keyword(schema, 'additionalProperties'))
  if (properties.length > 0 || rest) parts.push({ kind: 'object', properties: new Map(properties), rest })
  const [items, prefix] = [restoreIn(keyword(schema, 'items')), listOf(keyword(schema, 'prefixItems')).map(restoreIn)]
  if (items || prefix.some((restore) => restore !== undefined)) parts.push({ kind: 'array', items, prefix })
  const beside = [
    ...['allOf', 'anyOf', 'oneOf'].flatMap((name) => listOf(keyword(schema, name))),
    ...['then', 'else'].map((name) => keyword(schema, name)),
    ...Object.values(recordOf(keyword(schema, 'dependentSchemas'))),
  ]
  parts.push(...beside.flatMap((subschema) => restoreIn(subschema) ?? []))
  const reference = keyword(schema, '$ref')
  if (typeof reference === 'string') parts.push({ kind: 'reference', reference })
  return parts.length > 1 ? { kind: 'all', parts } : parts[0]
}

/**
 * With references that refer to something: to a copy where what they referred to has got another place or name. One that
 * referred to nothing within the schema is left out, and the value may be anything.
 */
function withReferences(adaptation: Adaptation, rules: ExclusionRules, root: Schema): Schema {
  const copies = new Map<string, { readonly name: string; schema: unknown }>()
  const result = rewritten(root)
  if (copies.size === 0) return result
  const added = Object.fromEntries([...copies.values()].map(({ name, schema }) => [name, schema]))
  return adaptation.derive({ ...result, $defs: { ...recordOf(result['$defs']), ...added } }, root)

  function rewritten(schema: Schema): Schema {
    const reference = keyword(schema, '$ref')
    const mapped = mapSubschemas(schema, (subschema) => (isSchema(subschema) ? rewritten(subschema) : subschema))
    adaptation.derive(mapped, schema)
    if (typeof reference !== 'string' || resolveReference(root, reference) !== undefined) return mapped
    const target = adaptation.target(reference)
    if (target === undefined) {
      adaptation.change(schema, '/$ref', UNRESOLVED)
      return adaptation.derive(without(mapped, '$ref'), schema)
    }
    adaptation.change(schema, '/$ref', 'refers to a copy, because what it referred to has another place')
    return adaptation.derive({ ...mapped, $ref: `#/$defs/${pointerToken(copyOf(reference, target))}` }, schema)
  }

  function copyOf(reference: string, target: unknown): string {
    const known = copies.get(reference)
    if (known) return known.name
    const copy = { name: unusedName(root, `copy_${copies.size + 1}`), schema: {} as unknown }
    copies.set(reference, copy)
    const { schema } = adaptSchema(adaptation, rules, target)
    copy.schema = isSchema(schema) ? rewritten(schema) : schema
    adaptation.change(adaptation.root, `/$defs/${copy.name}`, 'added: a copy of what references refer to')
    return copy.name
  }
}

function unusedName(root: Schema, name: string): string {
  return Object.hasOwn(recordOf(root['$defs']), name) ? unusedName(root, `${name}_`) : name
}
