import { isSchema, keyword, resolveReference, subschemas, type Schema } from './jsonSchema.ts'

const MAX_BYTES = 256 * 1024
const MAX_DEPTH = 64
const MAX_SUBSCHEMAS = 5_000
/** How many schemas it may be with the references written out. Real ones have some hundreds. */
export const MAX_UNFOLDED = 20_000

/** A schema as JSON, and as a tree in which no two places share an object; undefined if it is none of bounded size. */
export function boundedCopy(schema: unknown): Schema | undefined {
  try {
    const json = JSON.stringify(schema)
    if (json === undefined || json.length > MAX_BYTES) return undefined
    const copy: unknown = JSON.parse(json)
    return isSchema(copy) && isBounded(copy) ? copy : undefined
  } catch {
    return undefined // It nests too deeply, or in circles.
  }
}

function isBounded(schema: Schema): boolean {
  let level: Schema[] = [schema]
  let count = 1
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > MAX_DEPTH || count > MAX_SUBSCHEMAS) return false
    level = level.flatMap((parent) => [...subschemas(parent)].flatMap(([, child]) => (isSchema(child) ? [child] : [])))
    count += level.length
  }
  return true
}

/**
 * How many schemas it would be if every reference were written out, a recursive one once: the exponent of a chain of
 * references shows here, without anything being written out.
 */
export function unfoldedSize(root: Schema): number {
  const sizes = new Map<Schema, number>()
  const sizeOf = (schema: unknown): number => {
    if (!isSchema(schema)) return 1
    const known = sizes.get(schema)
    if (known !== undefined) return known
    sizes.set(schema, 1) // While it is being counted: a recursive reference.
    let size = 1
    const target = resolveReference(root, keyword(schema, '$ref'))
    if (target !== undefined) size += sizeOf(target)
    for (const [pointer, child] of subschemas(schema))
      if (!/^\/(\$defs|definitions)\//.test(pointer)) size += sizeOf(child)
    sizes.set(schema, size)
    return size
  }
  try {
    return sizeOf(root)
  } catch {
    return Infinity // A chain of references longer than the stack.
  }
}
