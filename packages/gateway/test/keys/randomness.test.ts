import { describe, expect, it } from 'vitest'
import { newLinkToken } from '../../src/accounts/linkTokens.ts'
import { createKeys } from '../../src/keys/keys.ts'
import { newId } from '../../src/store/newId.ts'
import { aRing } from './ring.ts'

const COUNT = 100_000
const SECRET_BYTES = 32
/** Of 255 degrees of freedom; chance exceeds it less than once in a million runs. */
const MOST = 380

/** How far the bytes are from all being equally frequent. */
function chiSquare(values: readonly Buffer[]): number {
  const counts = new Uint32Array(256)
  for (const value of values) for (const byte of value) counts[byte] = (counts[byte] ?? 0) + 1
  const expected = values.reduce((sum, { length }) => sum + length, 0) / 256
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
}

describe('chiSquare', () => {
  it('finds bytes that are not random, so that the tests below say something', () => {
    const texts = Array.from({ length: 1_000 }, (_, n) => Buffer.from(`an instance ${n}`))
    expect(chiSquare(texts)).toBeGreaterThan(MOST)
  })
})

describe('urlSecret', () => {
  it('T1: gives 100,000 instances secrets without a collision, of bytes that look random', () => {
    const keys = createKeys(aRing(['k1', 1]), { publicUrl: new URL('https://latchkey.example'), clock: () => 0 })
    const secrets = Array.from({ length: COUNT }, () =>
      keys.urlSecret({ id: newId('ins'), urlVersion: 1, urlKeyId: 'k1' }),
    )
    const bytes = secrets.map((secret) => Buffer.from(secret.reveal().slice('lkurl_'.length), 'base64url'))
    // What precedes the last 32 bytes says which instance it is, and is no secret.
    const random = bytes.map((value) => value.subarray(-SECRET_BYTES))
    expect(new Set(random.map((value) => value.toString('latin1'))).size).toBe(COUNT)
    expect(chiSquare(random)).toBeLessThan(MOST)
  })
})

describe('newLinkToken', () => {
  it('T1: gives 100,000 links tokens of 256 bits without a collision, of bytes that look random', () => {
    const tokens = Array.from({ length: COUNT }, () => newLinkToken().reveal().slice('lklink_'.length))
    const random = tokens.map((token) => Buffer.from(token, 'base64url'))
    expect(random.every(({ length }) => length === SECRET_BYTES)).toBe(true)
    expect(new Set(tokens).size).toBe(COUNT)
    expect(chiSquare(random)).toBeLessThan(MOST)
  })
})
