import { UNRESOLVED, type Adaptation } from './adaptation.ts'
import { alternativesInWords, inWords } from './inWords.ts'
import {
  isSameJson,
  isSchema,
  keyword,
  listOf,
  pointerToken,
  recordOf,
  stringsOf,
  without,
  type Schema,
} from './jsonSchema.ts'
import { acceptedName } from './propertyNames.ts'

const COMBINING = ['$ref', 'allOf', 'anyOf', 'oneOf'] as const

export interface MergedRoot {
  readonly schema: Schema
  /** What is not in the schema any more, for the tool's description. */
  readonly words: readonly string[]
}

/**
 * The root of a tool's schema as one object schema, because no provider takes a combination of several there: references
 * are resolved, all of `allOf` holds, and of alternatives each property may be given that one of them has.
 */
export function mergeRoot(adaptation: Adaptation, propertyName: RegExp | undefined): MergedRoot {
  const merge = new RootMerge(adaptation, propertyName)
  const schema = merge.flat(adaptation.root, [])
  return { schema: adaptation.derive(schema, adaptation.root), words: merge.words }
}

class RootMerge {
  readonly words: string[] = []
  readonly #adaptation: Adaptation
  readonly #propertyName: RegExp | undefined

  constructor(adaptation: Adaptation, propertyName: RegExp | undefined) {
    this.#adaptation = adaptation
    this.#propertyName = propertyName
  }

  flat(given: unknown, seen: readonly unknown[]): Schema {
    this.#adaptation.step()
    if (!isSchema(given) || seen.includes(given)) return {}
    const schema = this.#adaptation.repaired(given)
    if (!COMBINING.some((name) => Object.hasOwn(schema, name))) return schema
    const parts: Schema[] = [this.#adaptation.derive(without(schema, ...COMBINING), schema)]
    const within = (part: unknown) => this.flat(part, [...seen, given])
    if (Object.hasOwn(schema, '$ref')) {
      const target = this.#adaptation.target(schema['$ref'])
      this.#adaptation.change(schema, '/$ref', target === undefined ? UNRESOLVED : 'what it refers to is written here')
      parts.push(within(target))
    }
    if (Object.hasOwn(schema, 'allOf')) {
      this.#adaptation.change(schema, '/allOf', 'merged into the schema itself')
      parts.push(...listOf(schema['allOf']).map(within))
    }
    for (const name of ['anyOf', 'oneOf'])
      if (Object.hasOwn(schema, name)) parts.push(this.#alternatives(schema, name, listOf(schema[name]).map(within)))
    return this.#both(parts)
  }

  /** One object schema that allows what each branch allows. */
  #alternatives(schema: Schema, name: string, branches: readonly Schema[]): Schema {
    const said = alternativesInWords(name, branches, (property) => acceptedName(property, this.#propertyName))
    if (said !== undefined) this.words.push(said)
    const told = said === undefined ? '' : '; said in the description of the tool'
    this.#adaptation.change(
      schema,
      `/${name}`,
      `merged into the schema itself, what only some require being optional${told}`,
    )
    const names = new Set(branches.flatMap((branch) => Object.keys(recordOf(keyword(branch, 'properties')))))
    const properties = [...names].map((property): [string, unknown] => [property, this.#anyForm(branches, property)])
    const required = branches.map((branch) => new Set(stringsOf(keyword(branch, 'required'))))
    const always = [...(required[0] ?? [])].filter((property) => required.every((of) => of.has(property)))
    const isClosed = branches.every((branch) => branch['additionalProperties'] === false)
    const merged = {
      ...(properties.length > 0 && { properties: Object.fromEntries(properties) }),
      ...(always.length > 0 && { required: always }),
      ...(isClosed && { additionalProperties: false }),
    }
    return this.#adaptation.combine(this.#adaptation.derive(merged, schema), branches)
  }

  /** A property in any of the forms in which a branch has it. */
  #anyForm(branches: readonly Schema[], property: string): unknown {
    const forms = distinct(branches.flatMap((branch) => propertyOf(branch, property)))
    if (forms.length === 1) return forms[0]
    this.#noteParts(branches, property)
    return this.#adaptation.derive({ anyOf: forms }, forms.find(isSchema) ?? {})
  }

  /** One object schema that demands what each part demands; what cannot be said so is said in words. */
  #both(parts: readonly Schema[]): Schema {
    const merged = new Map<string, unknown>()
    for (const part of parts) {
      for (const [name, value] of Object.entries(part)) {
        const before = merged.get(name)
        if (before === undefined || isSameJson(before, value)) merged.set(name, value)
        else if (name === 'properties') merged.set(name, this.#bothProperties(parts, before, value))
        else if (name === 'required') merged.set(name, [...new Set([...stringsOf(before), ...stringsOf(value)])])
        else if (name === '$defs' || name === 'definitions')
          merged.set(name, { ...recordOf(value), ...recordOf(before) })
        else this.#second(part, name)
      }
    }
    this.#reopen(merged, parts)
    return this.#adaptation.combine(Object.fromEntries(merged), parts)
  }

  /** A keyword that another part has, too, with another value. */
  #second(part: Schema, name: string): void {
    const said = inWords(name, part)
    if (said !== undefined) this.words.push(said)
    const left = 'left out: another part of the schema has one, too'
    this.#adaptation.change(
      part,
      `/${pointerToken(name)}`,
      said === undefined ? left : 'moved into the description of the tool',
    )
  }

  #bothProperties(parts: readonly Schema[], before: unknown, value: unknown): Schema {
    const merged = new Map(Object.entries(recordOf(before)))
    for (const [name, schema] of Object.entries(recordOf(value))) {
      const other = merged.get(name)
      if (other === undefined) merged.set(name, schema)
      else if (!isSameJson(other, schema)) {
        this.#noteParts(parts, name)
        merged.set(name, this.#adaptation.derive({ allOf: [other, schema] }, [other, schema].find(isSchema) ?? {}))
      }
    }
    return Object.fromEntries(merged)
  }

  #noteParts(parts: readonly Schema[], name: string): void {
    for (const part of parts)
      if (propertyOf(part, name).length > 0)
        this.#adaptation.changeProperty(part, name, 'put together with what other parts of the schema say of it')
  }

  /** A part that allows its own properties only would forbid those of the others. */
  #reopen(merged: Map<string, unknown>, parts: readonly Schema[]): void {
    if (parts.length < 2) return
    for (const name of ['additionalProperties', 'unevaluatedProperties']) {
      if (merged.get(name) !== false) continue
      const closed = parts.find((part) => part[name] === false)
      const own = recordOf(closed && keyword(closed, 'properties'))
      if (Object.keys(recordOf(merged.get('properties'))).every((property) => Object.hasOwn(own, property))) continue
      merged.delete(name)
      if (closed)
        this.#adaptation.change(closed, `/${name}`, 'left out: other parts of the schema have properties, too')
    }
  }
}

function propertyOf(branch: Schema, name: string): unknown[] {
  const properties = recordOf(keyword(branch, 'properties'))
  return Object.hasOwn(properties, name) ? [properties[name]] : []
}

function distinct(values: readonly unknown[]): readonly unknown[] {
  return values.filter((value, index) => values.findIndex((other) => isSameJson(other, value)) === index)
}
