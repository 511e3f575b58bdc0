import { Adaptation, Unadaptable, type SchemaChange } from './adaptation.ts'
import { adaptInPlace } from './adaptInPlace.ts'
import { adaptToSubset } from './adaptToSubset.ts'
import { inWords } from './inWords.ts'
import { isSchema, keyword, listOf, mapSubschemas, recordOf, subschemas, without, type Schema } from './jsonSchema.ts'
import { mergeRoot } from './mergeRoot.ts'
import { PROFILE_RULES, STRICTEST_NAMES, type ExclusionRules, type SubsetRules } from './profileRules.ts'
import type { Restore, RestorePlan } from './restoreArguments.ts'
import type { SchemaProfile } from './schemaProfile.ts'
import { boundedCopy } from './schemaSize.ts'

/** A schema as a provider takes it. */
export interface AdaptedSchema {
  readonly schema: Schema
  /** What the schema does not say any more, for the description of the tool. */
  readonly words: readonly string[]
  readonly changes: readonly SchemaChange[]
  /** How arguments for it become those of the true schema. Undefined if they are the same. */
  readonly plan: RestorePlan | undefined
}

/**
 * Pure. A tool's schema as a provider takes it, with the least loss, and everything that was changed.
 *
 * @throws {Unadaptable} when there is no such schema; the message says why.
 */
export function adaptSchema(schema: Schema, profile: Exclude<SchemaProfile, 'none'>): AdaptedSchema {
  const root = boundedCopy(schema)
  if (root === undefined) throw new Unadaptable('its schema is too large')
  const rules = PROFILE_RULES[profile]
  return 'subset' in rules ? toSubset(root, rules.subset) : inPlace(root, rules.excludes)
}

function inPlace(root: Schema, rules: ExclusionRules): AdaptedSchema {
  const adaptation = new Adaptation(root)
  const merged = mergeRoot(adaptation, rules.propertyName)
  const words = [...merged.words]
  const object = asObject(adaptation, merged.schema)
  const refused = Object.keys(object).filter((name) => rules.refusedAtRoot.has(name))
  for (const name of refused) {
    const said = inWords(name, object)
    words.push(...(said === undefined ? [] : [said]))
    adaptation.change(object, `/${name}`, said === undefined ? 'left out' : 'moved into the description of the tool')
  }
  const accepted = adaptation.derive(without(object, ...refused), object)
  const { schema } = adaptInPlace(adaptation, rules, accepted)
  return { schema: isSchema(schema) ? schema : accepted, words, changes: adaptation.changes, plan: planOfNames(root) }
}

/** What each of the profiles that change names changes, whichever it was: the names themselves tell. */
function planOfNames(root: Schema): RestorePlan | undefined {
  if (!hasOtherNames(root)) return undefined
  const adaptation = new Adaptation(root)
  const { schema, restore } = adaptInPlace(adaptation, STRICTEST_NAMES, root)
  if (!restore || !isSchema(schema)) return undefined
  const references = new Map<string, Restore | undefined>()
  for (const [reference, target] of adaptation.targets) references.set(reference, adaptation.restores.get(target))
  return { schema, truth: root, restore, references }
}

function hasOtherNames(schema: unknown): boolean {
  if (!isSchema(schema)) return false
  const names = Object.keys(recordOf(keyword(schema, 'properties')))
  if (names.some((name) => STRICTEST_NAMES.propertyName?.test(name) === false)) return true
  return [...subschemas(schema)].some(([, subschema]) => hasOtherNames(subschema))
}

function toSubset(given: Schema, rules: SubsetRules): AdaptedSchema {
  const root = withoutBooleans(given)
  const adaptation = new Adaptation(root)
  const merged = mergeRoot(adaptation, rules.propertyName)
  const { schema, restore, references, words } = adaptToSubset(adaptation, rules, asObject(adaptation, merged.schema))
  if (!isSchema(schema)) throw new Unadaptable('its schema is none of an object')
  if (rules.isStrict) checkStrictLimits(schema)
  const plan = rules.isStrict ? restore && { schema, truth: root, restore, references } : planOfNames(given)
  return { schema, words: [...merged.words, ...words], changes: adaptation.changes, plan }
}

/** The arguments of a tool are an object, and a provider wants the schema to say so. */
function asObject(adaptation: Adaptation, root: Schema): Schema {
  if (root['type'] === 'object') return root
  adaptation.change(root, '/type', 'added: object')
  return adaptation.derive({ type: 'object', ...without(root, 'type') }, root)
}

/** `true` and `false` as schemas that are objects, so that they have a place of which can be told. */
function withoutBooleans(schema: Schema): Schema {
  return mapSubschemas(schema, (subschema, name) => {
    if (isSchema(subschema)) return withoutBooleans(subschema)
    const isRest =
      name === 'additionalProperties' || name.startsWith('unevaluated') || (name === 'items' && subschema === false)
    if (isRest || typeof subschema !== 'boolean') return subschema
    return subschema ? {} : { not: {} }
  })
}

/** OpenAI, Structured Outputs, "Supported schemas": limits on properties and on the length of all names and values. */
function checkStrictLimits(root: Schema): void {
  let [properties, chars] = [0, 0]
  const count = (schema: Schema): void => {
    const names = [schema['properties'], schema['$defs'], schema['definitions']].flatMap((map) =>
      Object.keys(recordOf(map)),
    )
    properties += Object.keys(recordOf(schema['properties'])).length
    for (const value of [...names, ...listOf(schema['enum']), schema['const'] ?? '']) chars += String(value).length
    for (const [, subschema] of subschemas(schema)) if (isSchema(subschema)) count(subschema)
  }
  count(root)
  if (properties > 5_000) throw new Unadaptable('it has more than 5,000 properties')
  if (chars > 120_000) throw new Unadaptable('its names and values are longer than 120,000 characters in all')
}
