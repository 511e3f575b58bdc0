import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import type { Store } from '../../src/store/store.ts'
import { checkVault } from '../../src/vault/checkVault.ts'
import { createVault } from '../../src/vault/vault.ts'
import { aRing } from '../keys/ring.ts'

const vault = createVault(aRing(['k1', 1]))
const CONTEXT = ['connected_accounts', 'ca_1', 'user_123', 'conn_mail', 'credential', '3']

describe('createVault (T60)', () => {
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
  ])('does not open in %s', (_, position, value) => {
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

  it('does not open with any one byte changed', () => {
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

describe('createVault (T61)', () => {
  it('does not open when the tag is cut, at whichever length', () => {
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

describe('checkVault', () => {
  let store: Store
  beforeEach(async () => {
    store = await openSqliteStore(':memory:')
  })
  afterEach(() => store.close())
  const check = (...keys: [id: string, byte: number][]) => {
    const ring = aRing(...keys)
    return checkVault({ vault: createVault(ring), settings: store.settings, currentKeyId: ring.currentId })
  }

  it('lets the same keys in again, and a new current one beside them', async () => {
    await check(['k1', 1])
    await check(['k1', 1])
    await check(['k2', 2], ['k1', 1])
    await expect(check(['k2', 2], ['k1', 1])).resolves.toBeUndefined()
  })

  it('refuses another key under the same name', async () => {
    await check(['k1', 1])
    await expect(check(['k1', 2])).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringContaining('"k1"'),
    })
  })

  it('refuses a ring without the key that the store was sealed with', async () => {
    await check(['k1', 1])
    await expect(check(['k2', 2])).rejects.toThrow(/"k1"/)
  })

  it('lets the right keys in after wrong ones were tried', async () => {
    await check(['k1', 1])
    await expect(check(['k2', 2])).rejects.toThrow(/"k1"/)
    await expect(check(['k3', 3], ['k1', 2])).rejects.toThrow(/"k1"/)
    await expect(check(['k1', 1])).resolves.toBeUndefined()
  })
})
