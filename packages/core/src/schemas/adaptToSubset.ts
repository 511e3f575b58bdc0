import { demandsOf, Unadaptable, UNRESOLVED, type Adaptation, type Adapted } from './adaptation.ts'
import {
  anyOf,
  bothTypes,
  isDefinition,
  isFreeForm,
  isOfType,
  isOpenMap,
  propertiesIn,
  typeOfValue,
  typesByKeywords,
  unionsIn,
  valuesIn,
  withForm,
  withTexts,
  type Union,
} from './conjunction.ts'
import { distinctFirstKeys } from './distinctFirstKeys.ts'
import { alternativesInWords, describe, inWords, joined, schemaInWords } from './inWords.ts'
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
import { matchSchema } from './matchSchema.ts'
import { ARRAY_KEYWORDS, KEYWORDS_OF_TYPE, OBJECT_KEYWORDS, TYPED_KEYWORDS } from './keywordsOfType.ts'
import type { SubsetRules } from './profileRules.ts'
import { acceptedName } from './propertyNames.ts'
import { typesOf } from './repairSchema.ts'
import { OMIT, type Absent, type Restore, type RestoredProperty } from './restoreArguments.ts'

interface Place {
  /** How many objects and lists it is in. */
  readonly level: number
  /** What is being written out around it. */
  readonly within: readonly Schema[]
  /** What references at the place itself were followed to: it holds already. */
  readonly here: readonly Schema[]
  /** A reference to a definition may stay here. */
  readonly mayRefer: boolean
}

/** The schemas that all have to hold at a place, without references and `allOf`. One of them is empty only if all are. */
interface Flat {
  readonly schemas: readonly Schema[]
  readonly here: readonly Schema[]
  /** A reference to what the place itself is in. */
  readonly recursive: Schema | undefined
}

/** An adapted schema that is an object. */
interface AdaptedSchema extends Adapted {
  readonly schema: Schema
}

/** A schema made of nothing but what a provider takes. `words` are for the description of the tool. */
export function adaptToSubset(
  adaptation: Adaptation,
  rules: SubsetRules,
  root: Schema,
): Adapted & { readonly words: readonly string[]; readonly references: ReadonlyMap<string, Restore | undefined> } {
  return new SubsetAdaptation(adaptation, rules).root(root)
}

class SubsetAdaptation {
  readonly #adaptation: Adaptation
  readonly #rules: SubsetRules
  /** What kept references refer to, by reference. */
  readonly #definitions = new Map<string, Adapted>()
  #enumValues = 0

  constructor(adaptation: Adaptation, rules: SubsetRules) {
    this.#adaptation = adaptation
    this.#rules = rules
  }

  root(root: Schema): ReturnType<typeof adaptToSubset> {
    const repaired = this.#adaptation.repaired(root)
    const own = this.#adaptation.derive(without(repaired, 'type', '$defs', 'definitions'), root)
    if (this.#rules.isStrict && isOpenMap(own)) throw new Unadaptable('it takes arguments of any name')
    const place = { level: 0, within: [], here: [this.#adaptation.root], mayRefer: true }
    const words: string[] = []
    const { schema, restore } = this.#object([own], place, words)
    const kept = this.#keywords([own], 'object', words, words)
    for (const name of ['enum', 'const', 'nullable'])
      if (Object.hasOwn(own, name)) words.push(...this.#moved(name, own))
    words.push(...this.#beside([own], ['object']))
    const definitions = this.#definitionsOf(repaired)
    const references = new Map([...this.#definitions].map(([reference, adapted]) => [reference, adapted.restore]))
    return {
      schema: { ...withTexts({ ...schema, ...kept }, own['title'], joined(own['description'])), ...definitions },
      restore,
      words,
      references: references.set('#', restore),
    }
  }

  /** What the provider is told that a property is called. */
  #nameOf(name: string): string {
    return acceptedName(name, this.#rules.propertyName)
  }

  #adapt(given: readonly unknown[], place: Place): AdaptedSchema {
    this.#adaptation.step()
    const [only] = given
    if (given.length === 1 && this.#isKeptReference(only, place)) return this.#keptReference(only)
    const flat = this.#flatten(given, place)
    if (flat.recursive) return this.#recursive(flat.recursive, flat.schemas)
    const inner = { ...place, here: flat.here }
    const union = unionsIn(flat.schemas).find(({ isNeeds }) => !isNeeds)
    if (union) return this.#union(flat.schemas, union, inner)
    const types = this.#types(flat.schemas)
    if (types === undefined) return this.#anything(flat.schemas, 'has no type')
    const isNesting = types.includes('object') || types.includes('array')
    if (isNesting && place.level >= (this.#rules.isStrict ? MAX_STRICT_LEVELS : MAX_LEVELS))
      return this.#anything(flat.schemas, 'nests too deeply')
    return this.#typed(flat.schemas, types, inner)
  }

  /** Follows references and `allOf`. */
  #flatten(given: readonly unknown[], place: Place): Flat {
    const schemas: Schema[] = []
    let { here } = place
    let recursive: Schema | undefined
    let empty: Schema | undefined
    const queue = given.filter(isSchema)
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      this.#adaptation.step()
      const schema = this.#adaptation.repaired(next)
      const rest = this.#adaptation.derive(without(schema, '$ref', 'allOf'), schema)
      if (Object.keys(rest).length > 0) schemas.push(rest)
      else empty = rest
      if (Object.hasOwn(schema, '$ref')) {
        const target = this.#adaptation.target(schema['$ref'])
        if (isSchema(target) && place.within.includes(target)) recursive = schema
        else
          this.#adaptation.change(schema, '/$ref', isSchema(target) ? 'what it refers to is written here' : UNRESOLVED)
        if (isSchema(target) && recursive !== schema && !here.includes(target)) {
          here = here.concat(target)
          queue.push(target)
        }
      }
      if (Object.hasOwn(schema, 'allOf')) this.#adaptation.change(schema, '/allOf', 'merged into the schema itself')
      queue.push(...listOf(keyword(schema, 'allOf')).filter(isSchema))
    }
    return { schemas: schemas.length === 0 && empty ? [empty] : schemas, here, recursive }
  }

  /**
   * A reference to a definition stays where nothing is beside it but what a description can say. In one of several forms it
   * is written out, so that their first keys are seen, unless that has no end.
   */
  #isKeptReference(given: unknown, { mayRefer }: Place): given is Schema {
    if (!this.#rules.isStrict || !isSchema(given) || !isDefinition(given['$ref'])) return false
    const target = this.#adaptation.target(given['$ref'])
    const isAlone = Object.keys(given).every((name) => name === '$ref' || ANNOTATIONS.has(name))
    return isAlone && isSchema(target) && (mayRefer || this.#adaptation.containsItself(target))
  }

  #keptReference(from: Schema): AdaptedSchema {
    const reference = String(from['$ref'])
    if (reference !== '#' && !this.#definitions.has(reference)) this.#define(reference)
    const words = this.#beside([from], [])
    const schema = this.#described({ $ref: reference }, [from], words)
    if (!Object.hasOwn(schema, '$ref'))
      this.#adaptation.change(from, '/$ref', 'put into `anyOf`, because nothing may be beside it')
    return { schema, restore: { kind: 'reference', reference } }
  }

  #define(reference: string): void {
    this.#definitions.set(reference, { schema: {} })
    const target = this.#adaptation.target(reference)
    const place = { level: 1, within: [], here: isSchema(target) ? [target] : [], mayRefer: true }
    this.#definitions.set(reference, this.#adapt([target], place))
  }

  #definitionsOf(root: Schema): Schema {
    const containers = ['$defs', 'definitions'].filter((container) => Object.hasOwn(root, container))
    const kept = containers.map((container): [string, Schema] => {
      const entries = Object.keys(recordOf(root[container])).flatMap((name): [string, unknown][] => {
        const pointer = `/${container}/${pointerToken(name)}`
        const adapted = this.#definitions.get(`#${pointer}`)
        if (!adapted) this.#adaptation.change(root, pointer, 'left out: nothing refers to it any more')
        return adapted ? [[name, adapted.schema]] : []
      })
      if (entries.length === 0)
        this.#adaptation.change(root, `/${container}`, 'left out: nothing refers to it any more')
      return [container, Object.fromEntries(entries)]
    })
    return Object.fromEntries(kept.filter(([, definitions]) => Object.keys(definitions).length > 0))
  }

  #recursive(from: Schema, schemas: readonly Schema[]): AdaptedSchema {
    if (this.#rules.isStrict && isDefinition(from['$ref'])) {
      for (const schema of schemas)
        for (const name of Object.keys(schema))
          this.#adaptation.change(schema, `/${pointerToken(name)}`, 'left out: nothing may be beside the reference')
      return this.#keptReference(this.#adaptation.derive({ $ref: from['$ref'] }, from))
    }
    const target = this.#adaptation.target(from['$ref'])
    const isObject = isSchema(target) && (typesOf(target)?.includes('object') ?? Object.hasOwn(target, 'properties'))
    if (this.#rules.isStrict || !isObject) return this.#anything([from, ...schemas], 'contains itself')
    this.#adaptation.change(from, '/$ref', 'an object: it contains itself, which cannot be written out')
    for (const schema of schemas) this.#adaptation.change(schema, '/type', 'an object')
    const words = ['of the same form as the object that it is in', ...this.#beside(schemas, [])]
    return { schema: this.#described({ type: 'object' }, schemas, words) }
  }

  #union(schemas: readonly Schema[], { name, from, branches }: Union, place: Place): AdaptedSchema {
    const beside = schemas.flatMap((schema) => {
      const rest = without(schema, 'description', 'title', ...(schema === from ? [name] : []))
      return Object.keys(rest).length > 0 ? [this.#adaptation.derive(rest, schema)] : []
    })
    if (name === 'oneOf') this.#adaptation.change(from, '/oneOf', 'written as `anyOf`')
    if (beside.length > 0)
      this.#adaptation.change(from, `/${name}`, 'what is beside it is written into each of its forms')
    for (const schema of beside)
      for (const each of Object.keys(schema))
        this.#adaptation.change(schema, `/${pointerToken(each)}`, `written into each form of \`${name}\``)
    const others = branches.filter((branch) => !isNull(branch) && !isSameJson(branch, OMITTED))
    const mayRefer = place.mayRefer && others.length < 2
    const each = branches.map((branch) => this.#adapt([...beside, branch], { ...place, mayRefer }))
    const adapted = anyOf(each)
    const forms = adapted.schema['anyOf']
    const told = Array.isArray(forms) && this.#rules.isStrict ? distinctFirstKeys(forms) : forms
    if (Array.isArray(forms) && told === undefined)
      return this.#anything(schemas, 'has forms that cannot be told apart by their first property')
    const schema = this.#described(
      Array.isArray(forms) ? { ...adapted.schema, anyOf: told } : adapted.schema,
      schemas,
      [],
    )
    const isAsBefore = isSameJson(
      each.map((form) => form.schema),
      forms,
    )
    if (!isAsBefore || listOf(schema['anyOf']).length !== branches.length)
      this.#adaptation.change(from, `/${name}`, 'forms that come to the same are written once')
    return { ...adapted, schema }
  }

  #types(schemas: readonly Schema[]): readonly string[] | undefined {
    const stated = schemas.flatMap((schema) => {
      const types = typesOf(schema)
      return types ? [types] : []
    })
    const [first, ...others] = stated
    const types = first && others.reduce(bothTypes, first)
    const values = valuesIn(schemas)
    const possible = values ? types?.filter((type) => values.some((value) => isOfType(value, type))) : types
    if (possible !== undefined) return possible.length > 0 ? possible : undefined
    const inferred = values ? [...new Set(values.map(typeOfValue))] : typesByKeywords(schemas)
    if (inferred.length === 0 || (!values && inferred.length > 1)) return undefined
    if (schemas[0]) this.#adaptation.change(schemas[0], '/type', `added: ${inferred.join(' or ')}`)
    return inferred
  }

  #typed(schemas: readonly Schema[], types: readonly string[], place: Place): AdaptedSchema {
    const concrete = types.filter((type) => type !== 'null')
    const forms = concrete.map((type) => this.#ofType(schemas, type, place))
    const adapted: AdaptedSchema = forms.length > 0 ? anyOf(forms) : { schema: { type: 'null' } }
    const isNullable = types.includes('null') && forms.length > 0
    const schema = isNullable ? this.#nullable(adapted.schema) : adapted.schema
    this.#noteTypes(schemas, schema)
    return { ...adapted, schema: this.#described(schema, schemas, this.#beside(schemas, types)) }
  }

  /** Notes where the types, or the values that they may have, are written otherwise than they were. */
  #noteTypes(schemas: readonly Schema[], adapted: Schema): void {
    const change = (schema: Schema, name: string, what: string) =>
      this.#adaptation.change(schema, `/${pointerToken(name)}`, what)
    const isApart = Object.hasOwn(adapted, 'anyOf')
    for (const schema of schemas) {
      const type = keyword(schema, 'type')
      if (type !== undefined && !isSameJson(type, adapted['type']))
        change(
          schema,
          'type',
          isApart ? 'its types written apart' : `written as ${[adapted['type']].flat().join(' or ')}`,
        )
      if (Object.hasOwn(schema, 'nullable')) change(schema, 'nullable', 'written as a type')
      for (const name of ['enum', 'const'])
        if (Object.hasOwn(schema, name) && !isSameJson(schema[name], adapted[name]))
          change(schema, name, 'written otherwise')
      const values = Object.hasOwn(adapted, 'enum') ? 'enum' : 'const'
      if (Object.hasOwn(adapted, values) && !Object.hasOwn(schema, values) && schema === schemas[0])
        change(schema, values, 'added: the values that it may have')
      if (!isApart) continue
      if (schema === schemas[0]) change(schema, 'anyOf', 'added: a form for each of its types')
      for (const name of Object.keys(schema))
        if (TYPED_KEYWORDS.has(name)) change(schema, name, 'written into the form for its type')
    }
  }

  #ofType(schemas: readonly Schema[], type: string, place: Place): AdaptedSchema {
    const words: string[] = []
    const adapted = this.#shapeOfType(schemas, type, place, words)
    const said: string[] = []
    const kept = this.#keywords(schemas, type, words, said)
    const description = joined(describe(undefined, said), describe(undefined, words))
    const schema = { ...adapted.schema, ...kept, ...(description !== undefined && { description }) }
    return { schema, restore: adapted.restore }
  }

  #shapeOfType(schemas: readonly Schema[], type: string, place: Place, words: string[]): AdaptedSchema {
    if (type === 'object') return this.#object(schemas, place, words)
    if (type === 'array') return this.#array(schemas, place, words)
    return { schema: { type, ...this.#values(schemas, type, words) } }
  }

  /** The values that it may have, as far as the provider takes them. */
  #values(schemas: readonly Schema[], type: string, words: string[]): Schema {
    const values = valuesIn(schemas)?.filter((value) => isOfType(value, type))
    if (values === undefined) return {}
    const isConstant =
      this.#rules.keywords.get(type)?.has('const') === true && schemas.every((schema) => !Object.hasOwn(schema, 'enum'))
    if (this.#rules.enumTypes.has(type) && this.#maySay(values))
      return isConstant ? { const: values[0] } : { enum: values }
    const isOne = values.length === 1
    const said = inWords(isOne ? 'const' : 'enum', { const: values[0], enum: values })
    words.push(said ?? `one of ${values.length} values`)
    return {}
  }

  #maySay(values: readonly unknown[]): boolean {
    if (!this.#rules.isStrict) return true
    const chars = values.reduce((sum: number, value) => sum + String(value).length, 0)
    if (this.#enumValues + values.length > MAX_STRICT_VALUES || (values.length > 250 && chars > 15_000)) return false
    this.#enumValues += values.length
    return true
  }

  /** Keywords of this type: those that the provider takes, and words for the others. */
  #keywords(schemas: readonly Schema[], type: string, words: string[], said: string[]): Schema {
    const kept = new Map<string, unknown>()
    for (const [name, demands] of demandsOf(schemas)) {
      if (!KEYWORDS_OF_TYPE.get(type)?.has(name)) continue
      for (const { value, from } of demands) {
        const isTaken = this.#isTaken(type, name, value)
        if (!isTaken || (kept.has(name) && !isSameJson(kept.get(name), value))) words.push(...this.#moved(name, from))
        else {
          kept.set(name, value)
          if (this.#rules.saidToo.has(name)) said.push(...this.#repeated(name, from))
        }
      }
    }
    return Object.fromEntries(kept)
  }

  #isTaken(type: string, name: string, value: unknown): boolean {
    if (!this.#rules.keywords.get(type)?.has(name)) return false
    if (name === 'pattern') return this.#rules.isPattern(String(value))
    return name !== 'format' || this.#rules.formats.get(type)?.has(String(value)) === true
  }

  #moved(name: string, from: Schema): readonly string[] {
    const said = inWords(name, from)
    this.#adaptation.change(
      from,
      `/${pointerToken(name)}`,
      said === undefined ? 'left out' : 'moved into the description',
    )
    return said === undefined ? [] : [said]
  }

  #repeated(name: string, from: Schema): readonly string[] {
    const said = inWords(name, from)
    if (said !== undefined) this.#adaptation.change(from, `/${name}`, 'said in the description, too')
    return said === undefined ? [] : [said]
  }

  /** What is left of the keywords: those of no type, and those of types that it cannot have. */
  #beside(schemas: readonly Schema[], types: readonly string[]): readonly string[] {
    const written = new Set([
      ...WRITTEN,
      ...types.flatMap((type) => [...(KEYWORDS_OF_TYPE.get(type) ?? [])]),
      ...(types.includes('object') ? OBJECT_KEYWORDS : []),
      ...(types.includes('array') ? ARRAY_KEYWORDS : []),
    ])
    const rest = [...demandsOf(schemas)].filter(([name]) => !written.has(name))
    const words = rest.flatMap(([name, demands]) =>
      demands.flatMap(({ from }) => {
        if (!TYPED_KEYWORDS.has(name)) return this.#moved(name, from)
        this.#adaptation.change(from, `/${name}`, 'left out: it says nothing of its type')
        return []
      }),
    )
    return [...words, ...unionsIn(schemas).flatMap((union) => this.#needs(union))]
  }

  /** Alternatives that only say which properties are needed together. */
  #needs({ name, from, branches }: Union): readonly string[] {
    const said = alternativesInWords(name, branches, (property) => this.#nameOf(property))
    this.#adaptation.change(from, `/${name}`, said === undefined ? 'left out' : 'moved into the description')
    return said === undefined ? [] : [said]
  }

  /** With the descriptions and the first title of the schemas, and words: outside of its forms, or in each of them. */
  #described(schema: Schema, schemas: readonly Schema[], words: readonly string[]): Schema {
    const title = this.#title(schemas)
    const description = describe(joined(...schemas.map((each) => each['description'])), words)
    const forms = schema['anyOf']
    if (this.#rules.isStrict || !Array.isArray(forms)) return withTexts(schema, title, description)
    if (title !== undefined || description !== undefined)
      for (const each of schemas)
        for (const name of ['title', 'description'])
          if (Object.hasOwn(each, name)) this.#adaptation.change(each, `/${name}`, 'moved into the forms of `anyOf`')
    const described = forms.filter(isSchema).map((form) => (isNull(form) ? form : withTexts(form, title, description)))
    return anyOf(described.map((form) => ({ schema: form }))).schema
  }

  #title(schemas: readonly Schema[]): unknown {
    const [first, ...others] = schemas.filter((schema) => Object.hasOwn(schema, 'title'))
    for (const other of others)
      if (other['title'] !== first?.['title'])
        this.#adaptation.change(other, '/title', 'left out: another part of the schema has one, too')
    return first?.['title']
  }

  #object(schemas: readonly Schema[], place: Place, words: string[]): AdaptedSchema {
    const { isStrict } = this.#rules
    if (isStrict && place.level > 0 && isFreeForm(schemas)) return this.#jsonText(schemas, 'may have any properties')
    const required = new Set(schemas.flatMap((schema) => stringsOf(keyword(schema, 'required'))))
    const declared = propertiesIn(schemas)
    const undeclared = [...required].filter((name) => !declared.has(name))
    if (isStrict) for (const name of undeclared) declared.set(name, [true])
    const inner = insideOf(place)
    const properties = [...declared].map(([name, subschemas]) => {
      const adapted = this.#adapt(subschemas, inner)
      const isThere = !isStrict || required.has(name)
      return {
        name,
        given: this.#nameOf(name),
        adapted: isThere ? adapted : this.#optional(name, adapted, holderOf(schemas, name)),
      }
    })
    this.#noteProperties(schemas, properties, undeclared, words)
    const names = properties.filter(({ name }) => isStrict || required.has(name)).map(({ given }) => given)
    const has = (name: string) => schemas.some((each) => Object.hasOwn(each, name))
    const schema = {
      type: 'object',
      ...((isStrict || has('properties')) && {
        properties: Object.fromEntries(properties.map(({ given, adapted }) => [given, adapted.schema])),
      }),
      ...((isStrict || has('required')) && { required: names }),
      ...(isStrict && { additionalProperties: false }),
    }
    return { schema, restore: restoreOfObject(properties) }
  }

  #noteProperties(
    schemas: readonly Schema[],
    properties: readonly { readonly name: string; readonly given: string }[],
    undeclared: readonly string[],
    words: string[],
  ): void {
    const { isStrict } = this.#rules
    if (new Set(properties.map(({ given }) => given)).size < properties.length)
      throw new Unadaptable('the names of its properties cannot be told apart where some characters are not allowed')
    const [first = {}] = schemas
    for (const { name, given } of properties)
      if (name !== given) this.#adaptation.changeProperty(holderOf(schemas, name), name, `renamed to ${given}`)
    for (const name of undeclared)
      if (isStrict) this.#adaptation.change(first, `/properties/${pointerToken(name)}`, 'added: it is required')
      else words.push(`required: ${this.#nameOf(name)}`)
    for (const schema of schemas) {
      const before = stringsOf(keyword(schema, 'required'))
      const isLost = !isStrict && before.some((name) => undeclared.includes(name))
      if (isLost)
        this.#adaptation.change(schema, '/required', 'properties that are not described are required in words only')
    }
    if (isStrict) this.#noteClosing(schemas, properties)
    else
      for (const schema of schemas)
        if (Object.hasOwn(schema, 'additionalProperties')) words.push(...this.#openness(schema))
  }

  #noteClosing(schemas: readonly Schema[], properties: readonly { readonly name: string }[]): void {
    const [first = {}] = schemas
    const required = new Set(schemas.flatMap((schema) => stringsOf(keyword(schema, 'required'))))
    if (!schemas.some((schema) => Object.hasOwn(schema, 'properties')))
      this.#adaptation.change(first, '/properties', 'added: none')
    if (
      properties.some(({ name }) => !required.has(name)) ||
      (properties.length === 0 && required.size === 0 && !Object.hasOwn(first, 'required'))
    )
      this.#adaptation.change(first, '/required', 'every property is required; what may be left out is given as null')
    for (const schema of schemas)
      if (
        keyword(schema, 'additionalProperties') !== false &&
        (schema === first || Object.hasOwn(schema, 'additionalProperties'))
      )
        this.#adaptation.change(schema, '/additionalProperties', 'closed: no further properties can be given')
  }

  /** Further properties in words: `false` needs none, because a model gives what is described. */
  #openness(schema: Schema): readonly string[] {
    if (isSchema(schema['additionalProperties']) && Object.keys(schema['additionalProperties']).length > 0)
      return this.#moved('additionalProperties', schema)
    this.#adaptation.change(schema, '/additionalProperties', 'left out')
    return []
  }

  /**
   * A property that may be left out, as one that is always there: `null` says that it is left out, or `"(omit)"` where
   * `null` is a value of its own, because a model that could only say `null` would clear what it does not mean to touch.
   */
  #optional(name: string, { schema, restore }: AdaptedSchema, holder: Schema): AdaptedSchema & { absent: Absent } {
    const truth = recordOf(keyword(holder, 'properties'))[name]
    const isNullable = restore?.kind !== 'json' && matchSchema(this.#adaptation.root, truth, null).verdict !== false
    const said = isNullable ? JSON.stringify(OMIT) : 'null'
    this.#adaptation.changeProperty(holder, name, `required; ${said} leaves it out`)
    if (!isNullable) {
      if (isSchema(truth) && Object.hasOwn(schema, 'const'))
        for (const each of ['const', 'enum']) this.#adaptation.change(truth, `/${each}`, 'written as `enum`, with null')
      return { schema: this.#nullable(schema), restore, absent: null }
    }
    const { description, title, ...form } = schema
    const words = describe(description, [`${said} leaves it out`])
    return { schema: withTexts(withForm(form, OMITTED), title, words), restore, absent: OMIT }
  }

  /** It may be null, too. */
  #nullable(schema: Schema): Schema {
    const { type, enum: values } = schema
    if (type === 'null') return schema
    const isPlain = this.#rules.isStrict && typeof type === 'string' && type !== 'object' && type !== 'array'
    if (isPlain) {
      const listed = Array.isArray(values) ? values : Object.hasOwn(schema, 'const') ? [schema['const']] : undefined
      return { ...without(schema, 'const'), type: [type, 'null'], ...(listed && { enum: [...listed, null] }) }
    }
    if (!this.#rules.isStrict) return withForm(schema, { type: 'null' })
    const { description, title, ...form } = schema
    return withTexts(withForm(form, { type: 'null' }), title, joined(description))
  }

  #array(schemas: readonly Schema[], place: Place, words: string[]): AdaptedSchema {
    const items = schemas.map((schema) => keyword(schema, 'items')).filter(isSchema)
    const tuple = schemas.find((schema) => Object.hasOwn(schema, 'prefixItems'))
    const [first = {}] = schemas
    if (tuple) words.push(...this.#moved('prefixItems', tuple))
    else if (items.length === 0) this.#adaptation.change(first, '/items', 'added: items of any kind')
    const all = tuple ? [this.#tupleItems(tuple, items)] : items.length > 0 ? items : [true]
    const adapted = this.#adapt(all, insideOf(place))
    const restore: Restore | undefined = adapted.restore && { kind: 'array', prefix: [], items: adapted.restore }
    return { schema: { type: 'array', items: adapted.schema }, restore }
  }

  /** Any of the items that it may have, wherever. */
  #tupleItems(tuple: Schema, items: readonly unknown[]): unknown {
    const kinds = [...listOf(tuple['prefixItems']), ...items]
    const distinct = kinds.filter((kind, index) => kinds.findIndex((other) => isSameJson(other, kind)) === index)
    this.#adaptation.change(tuple, '/items', 'any of the items that it lists')
    return distinct.length === 1 ? distinct[0] : this.#adaptation.derive({ anyOf: distinct }, tuple)
  }

  /** What has no type of the provider's. */
  #anything(schemas: readonly Schema[], why: string): AdaptedSchema {
    if (this.#rules.isStrict) return this.#jsonText(schemas, why)
    for (const schema of schemas) this.#adaptation.change(schema, '', `written as any of all types: it ${why}`)
    const words = schemas
      .flatMap((schema) => schemaInWords(schema) ?? [])
      .map((rule) => `satisfies the JSON Schema ${rule}`)
    return { schema: this.#described({ anyOf: ANY_TYPE }, schemas, words) }
  }

  #jsonText(schemas: readonly Schema[], why: string): AdaptedSchema {
    for (const schema of schemas) this.#adaptation.change(schema, '', `given as JSON text: it ${why}`)
    const rules = schemas.flatMap((schema) => schemaInWords(schema) ?? [])
    const words = ['as JSON text', ...rules.map((rule) => `satisfies the JSON Schema ${rule}`)]
    const description = describe(joined(...schemas.map((each) => each['description'])), words)
    return {
      schema: withTexts({ type: 'string' }, this.#title(schemas), description),
      restore: { kind: 'json', truth: schemas },
    }
  }
}

/** Levels of objects and lists: OpenAI's strict mode, and Vertex AI. */
const MAX_STRICT_LEVELS = 10
const MAX_LEVELS = 32
const MAX_STRICT_VALUES = 1_000
const ANNOTATIONS: ReadonlySet<string> = new Set(['default', 'description', 'example', 'examples', 'title'])
/** Written out by what looks at types, values, texts and forms. */
const WRITTEN = ['$ref', 'anyOf', 'const', 'description', 'enum', 'nullable', 'oneOf', 'title', 'type']
const OMITTED: Schema = { type: 'string', enum: [OMIT] }
const ANY_TYPE: readonly Schema[] = [
  ...['string', 'number', 'boolean', 'object'].map((type) => ({ type })),
  { type: 'array', items: { type: 'string' } },
]

function insideOf({ level, within, here }: Place): Place {
  return { level: level + 1, within: [...within, ...here], here: [], mayRefer: true }
}

function isNull(schema: unknown): boolean {
  return isSchema(schema) && schema['type'] === 'null'
}

function holderOf(schemas: readonly Schema[], name: string): Schema {
  return schemas.find((schema) => Object.hasOwn(recordOf(keyword(schema, 'properties')), name)) ?? schemas[0] ?? {}
}

function restoreOfObject(
  properties: readonly {
    readonly name: string
    readonly given: string
    readonly adapted: AdaptedSchema & { readonly absent?: Absent }
  }[],
): Restore | undefined {
  const restored = properties.flatMap(({ name, given, adapted: { absent, restore } }): [string, RestoredProperty][] =>
    name !== given || absent !== undefined || restore ? [[given, { name, absent, restore }]] : [],
  )
  return restored.length > 0 ? { kind: 'object', properties: new Map(restored) } : undefined
}
