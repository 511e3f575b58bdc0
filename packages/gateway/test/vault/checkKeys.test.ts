import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import type { Store } from '../../src/store/store.ts'
import { checkEncryptionKeys, checkSigningKeys } from '../../src/vault/checkKeys.ts'
import { createVault } from '../../src/vault/vault.ts'
import { aRing } from '../keys/ring.ts'

const clock = () => Date.parse('2026-07-28T10:00:00Z')

let store: Store
beforeEach(async () => {
  store = await openSqliteStore(':memory:')
})
afterEach(() => store.close())

type TestKey = [id: string, byte: number]

function checkEncryption(...keys: TestKey[]): Promise<void> {
  const ring = aRing(...keys)
  return checkEncryptionKeys({ vault: createVault(ring), ringKeys: store.ringKeys, keys: ring, clock })
}

function checkSigning(...keys: TestKey[]): Promise<void> {
  return checkSigningKeys({ ringKeys: store.ringKeys, keys: aRing(...keys), clock })
}

describe('checkEncryptionKeys', () => {
  it('lets the same keys in again, and a new current one beside them', async () => {
    await checkEncryption(['k1', 1])
    await checkEncryption(['k1', 1])
    await checkEncryption(['k2', 2], ['k1', 1])
    await expect(checkEncryption(['k2', 2], ['k1', 1])).resolves.toBeUndefined()
  })

  it('T62: refuses another key under the same name', async () => {
    await checkEncryption(['k1', 1])
    await expect(checkEncryption(['k1', 2])).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringContaining('"k1"'),
    })
  })

  it('T62: refuses a ring without the key that the store was sealed with', async () => {
    await checkEncryption(['k1', 1])
    await expect(checkEncryption(['k2', 2])).rejects.toThrow(/"k1"/)
  })

  it('lets the right keys in after wrong ones were tried', async () => {
    await checkEncryption(['k1', 1])
    await expect(checkEncryption(['k2', 2])).rejects.toThrow(/"k1"/)
    await expect(checkEncryption(['k3', 3], ['k1', 2])).rejects.toThrow(/"k1"/)
    await expect(checkEncryption(['k1', 1])).resolves.toBeUndefined()
  })

  it('lets one of two different keys of one name in when both start at once', async () => {
    const results = await Promise.allSettled([checkEncryption(['k1', 1]), checkEncryption(['k1', 2])])
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  })
})

describe('checkSigningKeys', () => {
  it('lets the same keys in again, new ones beside them, and goes on without old ones', async () => {
    await checkSigning(['k1', 1])
    await checkSigning(['k1', 1])
    await checkSigning(['k2', 2], ['k1', 1])
    await expect(checkSigning(['k2', 2])).resolves.toBeUndefined()
  })

  it('refuses another key under the name of one that was used, current or not, without showing either', async () => {
    await checkSigning(['k1', 1])
    await expect(checkSigning(['k1', 2])).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringContaining('LATCHKEY_SIGNING_KEYS has another key under the name "k1"'),
    })
    await expect(checkSigning(['k2', 2], ['k1', 3])).rejects.toThrow(/"k1"/)
  })

  it('keeps nothing of the key in the store', async () => {
    await checkSigning(['k1', 1])
    const [key] = await store.ringKeys.list('signing')
    expect(Buffer.from(key?.proof ?? []).includes(Buffer.alloc(8, 1))).toBe(false)
  })
})
