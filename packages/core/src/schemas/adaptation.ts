import { isSchema, keyword, pointerToken, recordOf, resolveReference, subschemas, type Schema } from './jsonSchema.ts'
import { MAX_UNFOLDED } from './schemaSize.ts'
import { repairSchema } from './repairSchema.ts'
import type { Restore } from './restoreArguments.ts'

/** What was changed in a schema so that a provider takes it. */
export interface SchemaChange {
  /** JSON Pointer (RFC 6901) into the true schema. */
  readonly path: string
  readonly change: string
}

/** Why a reference is left out. */
export const UNRESOLVED = 'left out: it refers to nothing within the schema'

/** A schema that cannot be made into what a provider takes. */
export class Unadaptable extends Error {}

/** A schema that has been adapted, and how arguments for it become those of the true one. */
export interface Adapted {
  readonly schema: unknown
  readonly restore?: Restore | undefined
}

/** The adaptation of one schema: where everything in it comes from, and what was changed. */
export class Adaptation {
  readonly root: Schema
  /** What each schema restores that has been adapted in its place. */
  readonly restores = new Map<Schema, Restore | undefined>()
  /** What references refer to that were followed. */
  readonly targets = new Map<string, Schema>()
  readonly #pointers = new WeakMap<object, string>()
  readonly #parts = new WeakMap<Schema, readonly Schema[]>()
  readonly #recursive = new WeakMap<Schema, boolean>()
  readonly #changes = new Map<string, SchemaChange>()
  #steps = 0

  /** @param root - A tree: no two places of it share an object. */
  constructor(root: Schema) {
    this.root = root
    this.#locate(root, '')
  }

  get changes(): readonly SchemaChange[] {
    return [...this.#changes.values()]
  }

  /** Notes a change of what is at the pointer in the schema, or would be there; of the whole schema without a pointer. */
  change(schema: Schema, pointer: string, change: string): void {
    const path = (this.#pointers.get(schema) ?? '') + pointer
    this.#changes.set(`${path} ${change}`, { path, change })
  }

  /** Notes a change of a property, where it is declared. */
  changeProperty(holder: Schema, name: string, change: string): void {
    const part = this.#parts.get(holder)?.find((each) => Object.hasOwn(recordOf(keyword(each, 'properties')), name))
    if (part) this.changeProperty(part, name, change)
    else this.change(holder, `/properties/${pointerToken(name)}`, change)
  }

  /** Says of a schema that it is put together of parts. */
  combine<T extends Schema>(schema: T, parts: readonly Schema[]): T {
    this.#parts.set(schema, parts)
    return schema
  }

  /** Says of a schema that is made in the place of another that its keywords come from there. */
  derive<T extends Schema>(schema: T, from: Schema): T {
    const pointer = this.#pointers.get(from)
    if (pointer !== undefined && !this.#pointers.has(schema)) this.#pointers.set(schema, pointer)
    const parts = this.#parts.get(from)
    if (parts && !this.#parts.has(schema)) this.#parts.set(schema, parts)
    return schema
  }

  /** The schema as JSON Schema 2020-12 writes it. */
  repaired(schema: Schema): Schema {
    const { schema: repaired, repairs } = repairSchema(schema)
    for (const repair of repairs) this.change(schema, `/${pointerToken(repair.keyword)}`, repair.change)
    return this.derive(repaired, schema)
  }

  /** What a reference in the schema refers to. */
  target(reference: unknown): unknown {
    const target = resolveReference(this.root, reference)
    if (!isSchema(target)) return target
    this.targets.set(String(reference), target)
    if (!this.#pointers.has(target)) this.#locate(target, String(reference).slice(1))
    return target
  }

  /** Whether references lead from the schema back to it. */
  containsItself(schema: Schema): boolean {
    const known = this.#recursive.get(schema) ?? this.#leadsBack(schema)
    this.#recursive.set(schema, known)
    return known
  }

  #leadsBack(schema: Schema): boolean {
    const seen = new Set<Schema>()
    const queue: unknown[] = [schema]
    for (let next = queue.pop(); queue.length > 0 || next !== undefined; next = queue.pop()) {
      if (!isSchema(next) || seen.has(next)) continue
      seen.add(next)
      const target = resolveReference(this.root, keyword(next, '$ref'))
      if (target === schema) return true
      queue.push(target, ...[...subschemas(next)].map(([, subschema]) => subschema))
    }
    return false
  }

  /** @throws {Unadaptable} when it comes to more than a schema may be with all references written out. */
  step(): void {
    if ((this.#steps += 1) > MAX_UNFOLDED)
      throw new Unadaptable('its schema is too large with its references written out')
  }

  #locate(schema: Schema, pointer: string): void {
    this.#pointers.set(schema, pointer)
    for (const [path, child] of subschemas(schema)) if (isSchema(child)) this.#locate(child, pointer + path)
  }
}

/** What a schema of a conjunction demands by a keyword. */
export interface Demand {
  readonly value: unknown
  readonly from: Schema
}

/** The demands of schemas that all have to hold, by keyword. */
export function demandsOf(schemas: readonly Schema[]): ReadonlyMap<string, readonly Demand[]> {
  const demands = new Map<string, Demand[]>()
  for (const from of schemas)
    for (const name of Object.keys(from))
      demands.set(name, [...(demands.get(name) ?? []), { value: keyword(from, name), from }])
  return demands
}
