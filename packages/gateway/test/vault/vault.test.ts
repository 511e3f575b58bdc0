import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createVault, sealedKeyId } from '../../src/vault/vault.ts'
import { aRing } from '../keys/ring.ts'

const vault = createVault(aRing(['k1', 1]))
const CONTEXT = ['connected_accounts', 'ca_1', 'user_123', 'conn_mail', 'credential', '3']

describe('T60: createVault', () => {
  it.each(['', 'a token', '{"accessToken":"é🗝️"}', 'x'.repeat(100_000)])('opens what it sealed', (plaintext) => {
    expect(vault.open(vault.seal(plaintext, CONTEXT), CONTEXT)).toBe(plaintext)
  })

  it('seals the same value differently every time, and shows nothing of it', () => {
    const sealed = Array.from({ length: 100 }, () =>
      Buffer.from(vault.seal('canary-value', CONTEXT)).toString('latin1'),
    )
    expect(new Set(sealed).size).toBe(100)
    for (const value of sealed) expect(value).not.toContain('canary')
  })

  it.each([
    ['another row', 1, 'ca_2'],
    ['another user', 2, 'user_1234'],
    ['another connection', 3, 'conn_mai'],
    ['another column', 4, 'attempt'],
    ['an older generation', 5, '2'],
  ])('T60: does not open in %s', (_, position, value) => {
    expect(() => vault.open(vault.seal('secret', CONTEXT), CONTEXT.with(position, value))).toThrow(
      /could not be opened/,
    )
  })

  it('does not open where the same characters are divided differently', () => {
    const sealed = vault.seal('secret', ['a:b', 'c'])
    for (const context of [['a', 'b:c'], ['a:bc'], ['a:b', 'c', ''], ['a:b'], []]) {
      expect(() => vault.open(sealed, context)).toThrow(/could not be opened/)
    }
  })

  it('T60: does not open with any one byte changed', () => {
    const sealed = vault.seal('secret', CONTEXT)
    for (const [index, byte] of sealed.entries()) {
      expect(() => vault.open(sealed.with(index, byte ^ 1), CONTEXT)).toThrow(/could not be opened/)
    }
  })

  it('opens what an older key of the ring sealed, and nothing of a key that is gone or was replaced', () => {
    const sealed = vault.seal('secret', CONTEXT)
    expect(createVault(aRing(['k2', 2], ['k1', 1])).open(sealed, CONTEXT)).toBe('secret')
    expect(() => createVault(aRing(['k2', 2])).open(sealed, CONTEXT)).toThrow(/could not be opened/)
    expect(() => createVault(aRing(['k1', 2])).open(sealed, CONTEXT)).toThrow(/could not be opened/)
  })

  it('says the same for every reason', () => {
    const messages = [
      () => vault.open(vault.seal('secret', CONTEXT), []),
      () => vault.open(createVault(aRing(['k9', 1])).seal('secret', CONTEXT), CONTEXT),
      () => vault.open(new Uint8Array(), CONTEXT),
    ].map((open) => {
      try {
        return open()
      } catch (error) {
        return String(error)
      }
    })
    expect(new Set(messages).size).toBe(1)
  })
})

describe('T61: createVault', () => {
  it('T61: does not open when the tag is cut, at whichever length', () => {
    const sealed = vault.seal('secret', CONTEXT)
    for (let length = 0; length < sealed.length; length++) {
      expect(() => vault.open(sealed.subarray(0, length), CONTEXT)).toThrow(/could not be opened/)
    }
  })

  it('does not open when something is appended', () => {
    const sealed = vault.seal('secret', CONTEXT)
    expect(() => vault.open(Uint8Array.of(...sealed, 0), CONTEXT)).toThrow(/could not be opened/)
  })
})

/** What the first version made: with the key bytes 1 under the id k1, in this context. */
const FIRST_FORMAT = Buffer.from(
  'AQJrMW45KhKyHhJv5VFBEoTcSPkBR/Z8KUVTmLFNpesPDAcuf3O0MxOvS43+yhgYVLpoBHqfRoo+RIk79yoKblYSsmQXWtUT1M0dmm0zS9fz8KfohbOc5kkcWB9Pkr4kmlxODZee0XBddC1ZovClAAYgAkLxBLo=',
  'base64',
)

describe('rewrap', () => {
  const both = createVault(aRing(['k2', 2], ['k1', 1]))
  const onlyNew = createVault(aRing(['k2', 2]))

  it('brings a value under the current key without sealing it anew', () => {
    const sealed = vault.seal('secret', CONTEXT)
    const rewrapped = both.rewrap(sealed)
    expect(sealedKeyId(rewrapped)).toEqual({ keyId: 'k2', isFirstFormat: false })
    expect(onlyNew.open(rewrapped, CONTEXT)).toBe('secret')
    // The value itself and its tag: whatever follows the id and the wrapped key.
    expect(rewrapped.subarray(2 + 2 + 60)).toEqual(sealed.subarray(2 + 2 + 60))
    expect(rewrapped.subarray(0, 2 + 2 + 60)).not.toEqual(sealed.subarray(0, 2 + 2 + 60))
  })

  it('keeps the value bound to its place', () => {
    const rewrapped = both.rewrap(vault.seal('secret', CONTEXT))
    expect(() => onlyNew.open(rewrapped, CONTEXT.with(1, 'ca_2'))).toThrow(/could not be opened/)
  })

  it('refuses a value whose key is not in the ring, or whose wrapped key was changed', () => {
    const sealed = vault.seal('secret', CONTEXT)
    expect(() => onlyNew.rewrap(sealed)).toThrow(/could not be opened/)
    for (let index = 0; index < 2 + 2 + 60; index++) {
      expect(() => both.rewrap(sealed.with(index, (sealed[index] ?? 0) ^ 1))).toThrow(/could not be opened/)
    }
  })

  it('opens and rewraps what the first version sealed, in its context only', () => {
    expect(sealedKeyId(FIRST_FORMAT)).toEqual({ keyId: 'k1', isFirstFormat: true })
    expect(vault.open(FIRST_FORMAT, CONTEXT)).toBe('sealed by the first version')
    expect(onlyNew.open(both.rewrap(FIRST_FORMAT, CONTEXT), CONTEXT)).toBe('sealed by the first version')
    expect(() => both.rewrap(FIRST_FORMAT)).toThrow(/could not be opened/)
    expect(() => both.rewrap(FIRST_FORMAT, CONTEXT.with(5, '2'))).toThrow(/could not be opened/)
    expect(() => vault.open(FIRST_FORMAT.with(0, 2), CONTEXT)).toThrow(/could not be opened/)
  })
})

describe('sealedKeyId', () => {
  it('needs no more than the head, and knows what is no sealed value', () => {
    expect(sealedKeyId(vault.seal('secret', CONTEXT).subarray(0, 4))).toEqual({ keyId: 'k1', isFirstFormat: false })
    for (const bytes of [[], [2], [2, 0], [2, 3, 65], [0, 1, 65], [9, 1, 65]]) {
      expect(sealedKeyId(Uint8Array.from(bytes))).toBeUndefined()
    }
  })
})

describe('any damage to a sealed value', () => {
  it('is refused, with the same words, for every value, place and kind of damage', () => {
    const damage = fc.oneof(
      fc.record({ kind: fc.constant('flip' as const), at: fc.nat(), bit: fc.integer({ min: 0, max: 7 }) }),
      fc.record({ kind: fc.constant('cut' as const), at: fc.nat(), bit: fc.constant(0) }),
      fc.record({ kind: fc.constant('add' as const), at: fc.nat(255), bit: fc.constant(0) }),
    )
    const context = fc.array(fc.string(), { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), context, damage, (plaintext, places, { kind, at, bit }) => {
        const sealed = vault.seal(plaintext, places)
        const index = at % sealed.length
        const damaged =
          kind === 'cut'
            ? sealed.subarray(0, index)
            : kind === 'add'
              ? Uint8Array.of(...sealed, at)
              : sealed.with(index, (sealed[index] ?? 0) ^ (1 << bit))
        expect(() => vault.open(damaged, places)).toThrow(
          'A sealed value could not be opened: it was changed, moved, or sealed with another key.',
        )
      }),
    )
  })
})
