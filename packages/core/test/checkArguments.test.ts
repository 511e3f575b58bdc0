import { Ajv2020 } from 'ajv/dist/2020.js'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LatchkeyError } from '../src/index.ts'
import { checkArguments, whyUnchecked } from '../src/schemas/checkArguments.ts'
import { anyArguments, anySchema } from './fixtures/anySchema.ts'

type Args = Record<string, unknown>

function refusalOf(inputSchema: Args, args: Args): LatchkeyError | undefined {
  try {
    checkArguments({ name: 'tool', inputSchema }, args)
    return undefined
  } catch (error) {
    if (error instanceof LatchkeyError) return error
    throw error
  }
}

const OPTIONS = { strict: false, logger: false, validateFormats: false, ownProperties: true } as const
const ajv = new Ajv2020({ ...OPTIONS, addUsedSchema: false })

/**
 * Undefined where the other validator cannot say: at references that lead nowhere or round for ever, and where it does not
 * see a property, because it is called `__proto__` or nothing.
 */
function isValid(schema: Args, args: Args): boolean | undefined {
  if (/__proto__|""/.test(JSON.stringify([schema, args]))) return undefined
  try {
    return ajv.compile(schema)(args)
  } catch {
    return undefined
  } finally {
    ajv.removeSchema(schema)
  }
}

describe('checkArguments', () => {
  it('refuses nothing that another validator finds valid, and hardly lets pass what it finds invalid', () => {
    const seen = { refused: 0, invalid: 0 }
    fc.assert(
      fc.property(anySchema, anyArguments, (schema, args) => {
        const verdict = isValid(schema, args)
        const refusal = refusalOf(schema, args)
        if (verdict === undefined) return
        if (!verdict) seen.invalid += 1
        if (refusal) seen.refused += 1
        expect(refusal && verdict ? { schema, args, said: refusal.message } : undefined).toBeUndefined()
      }),
      { numRuns: 1_000 },
    )
    expect(seen.refused).toBeGreaterThan(seen.invalid / 2)
  })

  it.each([
    [{ required: ['to'] }, {}, '"to"'],
    [{ properties: { n: { type: 'integer' } } }, { n: 'ten' }, '"n" must be an integer, and is a string'],
    [{ properties: { n: { maximum: 5 } } }, { n: 6 }, '"n" must be at most 5'],
    [{ properties: { l: { items: { type: 'string' } } } }, { l: ['a', 1] }, '"l/1" must be a string'],
    [{ properties: { to: {} }, additionalProperties: false }, { To: 1 }, 'must not have "To", but only "to"'],
    [{ properties: { k: { enum: ['a', 'b'] } } }, { k: 'c' }, '"k" must be one of "a", "b"'],
    [{ properties: { a: { $ref: '#/$defs/a' } }, $defs: { a: { minLength: 2 } } }, { a: 'x' }, 'at least 2 characters'],
  ])('says which argument is wrong and why, for %j', (schema, args, said) => {
    const refusal = refusalOf({ type: 'object', ...schema }, args)
    expect(refusal).toMatchObject({ code: 'invalid_arguments' })
    expect(refusal?.message).toContain(said)
    expect(refusal?.message).toContain('Nothing was sent')
  })

  it('repeats no text that was given', () => {
    const refusal = refusalOf({ type: 'object', properties: { n: { type: 'integer', enum: [1] } } }, { n: 'a secret' })
    expect(refusal?.message).not.toContain('secret')
  })

  it.each([
    ['a pattern that takes for ever', { pattern: '^(a+)+$' }],
    ['a pattern of another dialect', { pattern: '(?i)yes' }],
    ['a format', { format: 'date-time' }],
    [
      'names that a pattern must tell',
      { patternProperties: { '^(a+)+$': { type: 'number' } }, additionalProperties: false },
    ],
    ['a reference to elsewhere', { $ref: 'https://example.com/schema.json' }],
    ['a reference to nothing', { $ref: '#/$defs/none' }],
    ['what is excluded by a pattern', { not: { pattern: 'b' } }],
    ['a type that no draft has', { type: 'any' }],
    ['rounding', { multipleOf: 0.1 }],
  ])('leaves to the upstream %s', (_, schema) => {
    const value = `${'a'.repeat(40)}!`
    expect(
      refusalOf(
        { type: 'object', properties: { v: schema } },
        { v: 'multipleOf' in schema ? 0.3 : 'patternProperties' in schema ? { [value]: 1 } : value },
      ),
    ).toBeUndefined()
  })

  it('leaves open what drafts see differently', () => {
    const beside = { $ref: '#/$defs/text', maxLength: 1 }
    const root = { type: 'object', properties: { v: beside }, $defs: { text: { type: 'string' } } }
    expect(refusalOf(root, { v: 'abc' })).toBeUndefined()
    expect(
      refusalOf({ type: 'object', properties: { v: { exclusiveMinimum: true, minimum: 1 } } }, { v: 1 }),
    ).toBeUndefined()
    expect(refusalOf({ type: 'object', properties: { v: { maxLength: 1 } } }, { v: '😀' })).toBeUndefined()
    expect(refusalOf({ type: 'object', properties: { v: { items: [{ type: 'string' }] } } }, { v: [1] })).toBeDefined()
  })

  const chain = Object.fromEntries(
    Array.from({ length: 40 }, (_, index) => [
      `d${index}`,
      { allOf: [{ $ref: `#/$defs/d${index + 1}` }, { $ref: `#/$defs/d${index + 1}` }] },
    ]),
  )
  const forks = { anyOf: [{ $ref: '#/$defs/n' }, { $ref: '#/$defs/n' }] }
  const deep = (levels: number): unknown => (levels === 0 ? 1 : { a: deep(levels - 1) })
  const wide = Object.fromEntries(Array.from({ length: 2_000 }, (_, index) => [`p${index}`, index]))

  it.each<[string, Args, Args]>([
    ['a chain of references that doubles at each step', { $ref: '#/$defs/d0', $defs: chain }, { a: 1 }],
    ['a schema that is itself', { allOf: [{ $ref: '#' }, { $ref: '#' }] }, { a: 1 }],
    [
      'two forms at each level',
      { $ref: '#/$defs/n', $defs: { n: { properties: { a: forks }, required: ['b'] } } },
      { a: deep(60) },
    ],
    [
      'many forms for many properties',
      { additionalProperties: { anyOf: Array.from({ length: 500 }, (_, index) => ({ const: `v${index}` })) } },
      wide,
    ],
    [
      'many things that must differ',
      { properties: { l: { uniqueItems: true } } },
      { l: Array.from({ length: 5_000 }, (_, index) => [index]) },
    ],
    [
      'deep arguments',
      { $ref: '#/$defs/n', $defs: { n: { properties: { a: { $ref: '#/$defs/n' } } } } },
      { a: deep(2_000) },
    ],
  ])('is done in a moment with %s', (_, schema, args) => {
    const { user: before } = process.cpuUsage()
    refusalOf({ type: 'object', ...schema }, args)
    // Microseconds of this thread's work, whatever else the machine does; without bounds it would be years.
    expect(process.cpuUsage().user - before).toBeLessThan(2_000_000)
  })

  it('says why a schema is not checked', () => {
    expect(whyUnchecked({ type: 'object' })).toBeUndefined()
    expect(whyUnchecked({ type: 'object', $schema: 'http://json-schema.org/draft-07/schema#' })).toBeUndefined()
    expect(whyUnchecked({ $ref: '#/$defs/d0', $defs: chain })).toContain('references written out')
    expect(whyUnchecked({ type: 'object', $schema: 'https://example.com/my-dialect' })).toContain('dialect')
    expect(whyUnchecked({ type: 'object', properties: { a: { $id: 'https://example.com/a' } } })).toContain('base')
    expect(whyUnchecked({ type: 'object', description: 'x'.repeat(300_000) })).toContain('too large')
  })
})
