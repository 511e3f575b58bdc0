import { countStructure } from './jsonBounds.ts'

/** Why an item of a list is left out: its schema nests too deeply, has too many schemas in it, or is too long. */
export type ItemProblem = 'too_deep' | 'too_many_schemas' | 'too_long'

const MAX_SCHEMA_DEPTH = 64
const MAX_SUBSCHEMAS = 5_000
const MAX_ITEM_CHARS = 256 * 1024
const UNBOUNDED = { depth: Infinity, structures: Infinity, values: Infinity }

/**
 * What would keep the client's parser or validator busy, or the model's provider from taking the list (security T46).
 * Every object is taken for a schema: to know better one would have to interpret them. No schema is ever compiled here,
 * and no `$ref` followed.
 */
export function itemProblem(json: string): ItemProblem | undefined {
  if (json.length > MAX_ITEM_CHARS) return 'too_long'
  const { depth = 0, objects = 0 } = countStructure(json, UNBOUNDED) ?? {}
  // The schema is a member of the item.
  if (depth > MAX_SCHEMA_DEPTH + 1) return 'too_deep'
  return objects > MAX_SUBSCHEMAS ? 'too_many_schemas' : undefined
}
