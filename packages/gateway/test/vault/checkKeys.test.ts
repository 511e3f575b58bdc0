import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import type { RingName, Store } from '../../src/store/store.ts'
import { checkKeys } from '../../src/vault/checkKeys.ts'
import { aRing } from '../keys/ring.ts'

const clock = () => Date.parse('2026-07-28T10:00:00Z')

let store: Store
beforeEach(async () => {
  store = await openSqliteStore(':memory:')
})
afterEach(() => store.close())

type TestKey = [id: string, byte: number]

function check(ring: RingName, ...keys: TestKey[]): Promise<void> {
  return checkKeys({ ringKeys: store.ringKeys, ring, keys: aRing(...keys), clock })
}

describe.each<RingName>(['encryption', 'signing'])('checkKeys of the %s ring', (ring) => {
  it('lets the same keys in again, and a new current one beside them', async () => {
    await check(ring, ['k1', 1])
    await check(ring, ['k1', 1])
    await check(ring, ['k2', 2], ['k1', 1])
    await expect(check(ring, ['k2', 2], ['k1', 1])).resolves.toBeUndefined()
  })

  it('T62: refuses another key under the same name, current or not', async () => {
    await check(ring, ['k1', 1])
    const refusal = { code: 'configuration', message: expect.stringContaining('"k1"') }
    await expect(check(ring, ['k1', 2])).rejects.toMatchObject(refusal)
    await expect(check(ring, ['k2', 2], ['k1', 3])).rejects.toMatchObject(refusal)
  })

  it('T62: refuses a ring without a key that the store was used with', async () => {
    await check(ring, ['k1', 1])
    await expect(check(ring, ['k2', 2])).rejects.toThrow(`LATCHKEY_${ring.toUpperCase()}_KEYS does not have that key`)
  })

  it('lets the right keys in after wrong ones were tried', async () => {
    await check(ring, ['k1', 1])
    await expect(check(ring, ['k2', 2])).rejects.toThrow(/"k1"/)
    await expect(check(ring, ['k3', 3], ['k1', 2])).rejects.toThrow(/"k1"/)
    await expect(check(ring, ['k1', 1])).resolves.toBeUndefined()
  })

  it('lets one of two different keys of one name in when both start at once', async () => {
    const results = await Promise.allSettled([check(ring, ['k1', 1]), check(ring, ['k1', 2])])
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  })

  it('goes on without a key that was retired, and never takes it as the current one again', async () => {
    await check(ring, ['k1', 1])
    for (const key of await store.ringKeys.list(ring)) await store.ringKeys.retire(key, new Date(clock()))
    await expect(check(ring, ['k2', 2])).resolves.toBeUndefined()
    await expect(check(ring, ['k1', 1], ['k2', 2])).rejects.toThrow(/"k1".*was replaced and given up/)
  })

  it('keeps nothing of the key in the store', async () => {
    await check(ring, ['k1', 1])
    const [key] = await store.ringKeys.list(ring)
    expect(Buffer.from(key?.proof ?? []).includes(Buffer.alloc(8, 1))).toBe(false)
  })
})
