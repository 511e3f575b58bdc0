import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { contentUriEdits } from '../../src/mcp/contentUris.ts'
import { readInbound } from '../../src/mcp/inbound.ts'
import { assertWithinBounds, countStructure, TooComplexError } from '../../src/upstream/jsonBounds.ts'
import { applyEdits } from '../../src/upstream/jsonSpans.ts'
import { parseInTurns } from '../../src/upstream/readAnswer.ts'
import { leastCpuMs } from '../support/leastCpuMs.ts'
import { leastTurnMs } from '../support/leastTurnMs.ts'

const MIB = 1024 * 1024
/** Longer than this, nothing may be done in one go: all other users wait meanwhile. */
const MAX_BLOCK_MS = 100
const UNBOUNDED = { depth: Infinity, structures: Infinity, values: Infinity }

/** As it comes from the network: one flat string. */
const flat = (text: string) => Buffer.from(text).toString()

describe('assertWithinBounds', () => {
  it('lets every ordinary value through', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(() => assertWithinBounds(JSON.stringify(value))).not.toThrow()
      }),
    )
  })

  it('counts what is in a value, and nothing of what stands in its strings', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), fc.constantFrom(undefined, 2), (value, space) => {
        let objects = 0
        const depthOf = (each: unknown): number => {
          if (typeof each !== 'object' || each === null) return 0
          if (!Array.isArray(each)) objects += 1
          return 1 + Math.max(0, ...Object.values(each).map(depthOf))
        }
        const depth = depthOf(value)
        expect(countStructure(JSON.stringify(value, undefined, space), UNBOUNDED)).toEqual({ depth, objects })
      }),
    )
  })

  it('settles on any text, JSON or not', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('"', '\\\\', '[', ']', '{', '}', ',', ':', 'x', '\n') }),
        (text) => {
          expect(countStructure(text, UNBOUNDED)).toBeDefined()
        },
      ),
    )
  })

  it.each([
    ['101 levels', '['.repeat(101) + ']'.repeat(101)],
    ['more than 100,000 members', `{${'"a":1,'.repeat(100_000)}"b":2}`],
    ['more than 250,000 values', `[${'1,'.repeat(250_001)}1]`],
  ])('refuses a text of %s', (_what, text) => {
    expect(() => assertWithinBounds(text)).toThrow(TooComplexError)
  })
})

/** Each as near to what is let through as can be, and as slow to read. */
const SLOWEST: readonly (readonly [string, string])[] = [
  ['white space', `[${' '.repeat(10 * MIB - 500)}1]`],
  ['empty arrays', `[${'[],'.repeat(99_900)}1${' '.repeat(9 * MIB)}]`],
  ['long keys', `[{${Array.from({ length: 49_900 }, (_, index) => `"${index}${'k'.repeat(190)}":1,`).join('')}"z":1}]`],
  ['numbers', `[${`0.${'7'.repeat(36)},`.repeat(249_000)}1]`],
  ['empty strings', `[${'"",'.repeat(249_000)}1${' '.repeat(9 * MIB)}]`],
  ['escaped quotes', `["${String.raw`\"`.repeat(5 * MIB - 250)}"]`],
  ['backslashes', `["${String.raw`\\`.repeat(5 * MIB - 250)}"]`],
  ['resources', `[${'{"type":"resource","resource":{"uri":"a"}},'.repeat(19_000)}1]`],
  ['links', `[${'{"type":"resource_link","uri":"a"},'.repeat(32_000)}1]`],
]

describe('what is done in one go with 10 MiB', () => {
  it.each(SLOWEST)('T46: is done within 100 ms by a request full of %s', async (_what, bomb) => {
    const text = flat(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":${bomb}}}`)
    const headers = new Headers({ accept: '*/*', 'mcp-protocol-version': '2025-11-25' })
    expect((await readInbound(text, headers)).kind).toBe('request')
    expect(await leastTurnMs(() => readInbound(text, headers))).toBeLessThan(MAX_BLOCK_MS)
  })

  it.each(SLOWEST)('T46: is done within 100 ms by an answer full of %s', async (_what, bomb) => {
    const text = flat(`{"jsonrpc":"2.0","id":1,"result":{"content":${bomb}}}`)
    expect(await parseInTurns(text)).toBeDefined()
    expect(await leastTurnMs(() => parseInTurns(text))).toBeLessThan(MAX_BLOCK_MS)
    const rename = () =>
      applyEdits(
        text,
        contentUriEdits(text, (uri) => `latchkey:mail:${uri}`),
      )
    expect(leastCpuMs(rename)).toBeLessThan(MAX_BLOCK_MS)
  })
})
