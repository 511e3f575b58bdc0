import { LatchkeyError } from '../errors.ts'
import { isSchema, keyword, type Schema } from './jsonSchema.ts'
import { matchSchema, type Mismatch } from './matchSchema.ts'
import { boundedCopy, MAX_UNFOLDED, unfoldedSize } from './schemaSize.ts'

const MAX_MENTIONED = 5
const MAX_CHARS = 300
/** The drafts whose keywords are known here. A schema that names none is one of 2020-12 (MCP 2025-11-25, tools). */
const DIALECT = /^https?:\/\/json-schema\.org\/(draft-0[4-7]|draft\/(2019-09|2020-12))\/schema#?$/

const reasons = new WeakMap<Schema, string | undefined>()

/**
 * Why the arguments for a schema are not checked here but by the upstream alone; undefined if they are. Nothing of the
 * schema is run to know it.
 */
export function whyUnchecked(schema: Schema): string | undefined {
  if (!reasons.has(schema)) reasons.set(schema, reasonOf(schema))
  return reasons.get(schema)
}

function reasonOf(schema: Schema): string | undefined {
  const copy = boundedCopy(schema)
  if (copy === undefined) return 'its schema is too large'
  const dialect = keyword(copy, '$schema')
  if (typeof dialect === 'string' && !DIALECT.test(dialect)) return 'its schema is of a dialect that is not known here'
  if (hasOwnBase(copy)) return 'its schema has a base address within it, from which references count'
  return unfoldedSize(copy) > MAX_UNFOLDED ? 'its schema is too large with its references written out' : undefined
}

/** `$id` below the root changes what references mean (JSON Schema 2020-12, section 8.2.1). */
function hasOwnBase(root: Schema): boolean {
  const nested = (value: unknown): boolean =>
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).some((item) => (isSchema(item) ? hasBase(item) || nested(item) : nested(item)))
  return nested(root)
}

function hasBase(schema: Schema): boolean {
  return typeof keyword(schema, '$id') === 'string'
}

/**
 * Checks a call's arguments against the tool's own schema, as far as that is certain and bounded: see `matchSchema`. What is
 * left open is for the upstream to judge.
 *
 * @throws {LatchkeyError} `invalid_arguments`, saying which argument is wrong and why. No text that was given is repeated.
 */
export function checkArguments(
  { name, inputSchema }: { readonly name: string; readonly inputSchema: Schema },
  args: Readonly<Record<string, unknown>>,
): void {
  if (whyUnchecked(inputSchema) !== undefined) return
  const { verdict, mismatches } = matchSchema(inputSchema, inputSchema, args)
  if (verdict !== false) return
  const said = mismatches.slice(0, MAX_MENTIONED).map(inWords)
  const more = mismatches.length > said.length ? [`and ${mismatches.length - said.length} more`] : []
  throw new LatchkeyError(
    'invalid_arguments',
    `the arguments of tool ${JSON.stringify(name)} do not fit its schema: ${[...said, ...more].join('; ')}. Nothing was sent; call it with arguments that fit`,
  )
}

function inWords({ path, message }: Mismatch): string {
  const where = path === '' ? 'they' : JSON.stringify(path.slice(1))
  const words = `${where} ${message}`
  return words.length > MAX_CHARS ? `${words.slice(0, MAX_CHARS)}…` : words
}
