import { isSchema, type Schema } from './jsonSchema.ts'
import { MAX_STEPS, matchSchema } from './matchSchema.ts'

/** What a property that may be left out is given as, where a provider wants every property to be there. */
export type Absent = null | typeof OMIT

/** Says "left out" where `null` is a value of the property's own. */
export const OMIT = '(omit)'

export interface RestoredProperty {
  /** What the property is really called. */
  readonly name: string
  readonly absent?: Absent | undefined
  readonly restore?: Restore | undefined
}

/** How arguments that fit an adapted schema become those that the true schema means. */
export type Restore =
  | {
      readonly kind: 'object'
      readonly properties: ReadonlyMap<string, RestoredProperty>
      readonly rest?: Restore | undefined
    }
  | { readonly kind: 'array'; readonly prefix: readonly (Restore | undefined)[]; readonly items: Restore | undefined }
  | { readonly kind: 'all'; readonly parts: readonly Restore[] }
  | {
      readonly kind: 'any'
      readonly branches: readonly { readonly schema: unknown; readonly restore: Restore | undefined }[]
    }
  | { readonly kind: 'json'; readonly truth: readonly Schema[] }
  | { readonly kind: 'reference'; readonly reference: string }

export interface RestorePlan {
  /** The adapted schema, to which its references refer. */
  readonly schema: Schema
  /** The true one. */
  readonly truth: Schema
  readonly restore: Restore
  readonly references: ReadonlyMap<string, Restore | undefined>
}

/** References that refer to one another have no end. */
const MAX_DEPTH = 256

/** Pure. The arguments that the true schema means. */
export function restoreArguments(
  { schema, truth, restore, references }: RestorePlan,
  args: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const budget = { steps: MAX_STEPS }
  const restored = apply(restore, args, 0)
  return isSchema(restored) ? restored : args

  function apply(how: Restore | undefined, value: unknown, depth: number): unknown {
    if (how === undefined || depth > MAX_DEPTH || (budget.steps -= 1) < 0) return value
    switch (how.kind) {
      case 'object':
        return isSchema(value) ? object(how, value, depth + 1) : value
      case 'array':
        return Array.isArray(value)
          ? value.map((item, index) => apply(how.prefix[index] ?? how.items, item, depth + 1))
          : value
      case 'all':
        return how.parts.reduce((current: unknown, part) => apply(part, current, depth + 1), value)
      case 'any':
        return apply(how.branches.find((branch) => mayFit(branch.schema, value))?.restore, value, depth + 1)
      case 'json':
        return fromJson(value, how.truth)
      case 'reference':
        return apply(references.get(how.reference), value, depth + 1)
      default:
        return how satisfies never
    }
  }

  function mayFit(form: unknown, value: unknown): boolean {
    return matchSchema(schema, form, value, budget).verdict !== false
  }

  function object({ properties, rest }: Extract<Restore, { kind: 'object' }>, value: Schema, depth: number): unknown {
    const entries = Object.entries(value).flatMap(([given, item]): [string, unknown][] => {
      const property = properties.get(given)
      if (!property) return [[given, apply(rest, item, depth)]]
      if (property.absent !== undefined && item === property.absent) return []
      return [[property.name, apply(property.restore, item, depth)]]
    })
    return Object.fromEntries(entries)
  }

  /** A model that gives a plain text where JSON text is wanted may mean that text. */
  function fromJson(value: unknown, schemas: readonly Schema[]): unknown {
    const parsed = parse(value)
    if (parsed === undefined) return value
    return matchSchema(truth, { allOf: schemas }, parsed, budget).verdict === false ? value : parsed
  }
}

function parse(value: unknown): unknown {
  if (typeof value !== 'string') return undefined
  try {
    return JSON.parse(value)
  } catch {
    return undefined
  }
}
