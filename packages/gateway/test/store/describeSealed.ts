import { describe, expect, it } from 'vitest'
import { sealedColumns } from '../../src/store/sealedColumns.ts'
import type { RingKey, SealedHead, Store } from '../../src/store/store.ts'

const AT = new Date('2026-07-28T10:00:00.000Z')
const LATER = new Date(AT.getTime() + 60_000)

/** The part of the store's contract that the vault needs to change its keys. */
export function describeSealed(store: () => Store): void {
  describe('ringKeys', () => {
    it('lists the keys of a ring as they were put in, the oldest first', async () => {
      const b = aKey('b', AT)
      const a = aKey('a', LATER, { wrappedKey: Uint8Array.of(7) })
      const keys = [b, a, aKey('b', AT, { ring: 'signing' })]
      for (const key of keys.toReversed()) expect(await store().ringKeys.insert(key)).toBe(true)
      expect((await store().ringKeys.list('encryption')).map(plain)).toEqual([plain(b), plain(a)])
      expect(await store().ringKeys.list('signing')).toHaveLength(1)
    })

    it('keeps the first of two keys of one id', async () => {
      const inserted = await Promise.all([1, 2, 3].map((n) => store().ringKeys.insert(aKey('k', new Date(n)))))
      expect(inserted.filter(Boolean)).toHaveLength(1)
      expect(await store().ringKeys.list('encryption')).toHaveLength(1)
    })

    it('retires a key once, and not when it was seen meanwhile', async () => {
      const key = aKey('k', AT)
      await store().ringKeys.insert(key)
      await store().ringKeys.see(key, LATER)
      expect(await store().ringKeys.retire(key, LATER)).toBe(false)
      expect(await store().ringKeys.retire({ ...key, seenAt: LATER }, LATER)).toBe(true)
      expect(await store().ringKeys.retire({ ...key, seenAt: LATER }, LATER)).toBe(false)
      expect(await store().ringKeys.list('encryption')).toMatchObject([{ keyId: 'k', retiredAt: LATER }])
    })

    it('takes a key back that is seen after it was retired', async () => {
      const key = aKey('k', AT)
      await store().ringKeys.insert(key)
      await store().ringKeys.retire(key, AT)
      await store().ringKeys.see(key, LATER)
      expect(await store().ringKeys.list('encryption')).toMatchObject([{ seenAt: LATER, retiredAt: undefined }])
    })
  })

  describe('sealed', () => {
    const credentials = sealedColumns.find(({ table }) => table === 'connected_accounts')!
    const secrets = sealedColumns.find(({ table }) => table === 'oauth_clients')!

    it('answers for every column of the list', async () => {
      for (const column of sealedColumns) {
        expect(await store().sealed.heads(column, { bytes: 34, after: undefined, limit: 10 })).toEqual([])
        const place = column.key.map(() => 'none')
        expect(await store().sealed.heads(column, { bytes: 34, after: place, limit: 10 })).toEqual([])
        expect(await store().sealed.read(column, place)).toBeUndefined()
        const change = { place, user: 'nobody', from: Uint8Array.of(1), to: Uint8Array.of(2) }
        expect(await store().sealed.replace(column, [change])).toBe(0)
      }
    })

    it('gives the beginnings of the values, page by page, and leaves out what has none', async () => {
      for (const n of [1, 2, 3, 4, 5]) await anAccount(store(), `ca_${n}`, `user_${n}`, new Uint8Array(100).fill(n))
      await anAccount(store(), 'ca_0', 'user_0')
      const found: SealedHead[] = []
      for (let after: SealedHead['place'] | undefined; ; after = found.at(-1)?.place) {
        const page = await store().sealed.heads(credentials, { bytes: 3, after, limit: 2 })
        found.push(...page)
        if (page.length < 2) break
      }
      expect(found.map(({ place, user, head }) => [place, user, Array.from(head)])).toEqual(
        [1, 2, 3, 4, 5].map((n) => [[`ca_${n}`], `user_${n}`, [n, n, n]]),
      )
    })

    it('goes through a key of two columns without missing or repeating any', async () => {
      const keys = ['a', 'b', 'c'].flatMap((issuer) => ['x', 'y'].map((redirectUri) => ({ issuer, redirectUri })))
      for (const key of keys) {
        await store().registrations.put(key, { clientId: 'c', sealedClientSecret: Uint8Array.of(1), metadata: {} })
      }
      const found: SealedHead['place'][] = []
      for (;;) {
        const [head] = await store().sealed.heads(secrets, { bytes: 1, after: found.at(-1), limit: 1 })
        if (head === undefined) break
        found.push(head.place)
      }
      expect(found).toEqual(keys.map(({ issuer, redirectUri }) => [issuer, redirectUri]))
    })

    it('reads the whole value with what it was bound to', async () => {
      await anAccount(store(), 'ca_1', 'user_1', Uint8Array.of(1, 2, 3))
      expect(await store().sealed.read(credentials, ['ca_1'])).toEqual({
        sealed: expect.objectContaining({ length: 3 }),
        bound: ['ca_1', 'user_1', 'conn_1', '1'],
      })
      await anAccount(store(), 'ca_2', 'user_2')
      expect(await store().sealed.read(credentials, ['ca_2'])).toBeUndefined()
    })

    it('replaces a value only if it is still the one that was read, and of this user', async () => {
      const [one, two, three] = [Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)]
      await anAccount(store(), 'ca_1', 'user_1', one)
      const replace = (user: string, from: Uint8Array, to: Uint8Array) =>
        store().sealed.replace(credentials, [{ place: ['ca_1'], user, from, to }])
      expect(await replace('user_1', two, three)).toBe(0)
      expect(await replace('user_2', one, three)).toBe(0)
      expect(await replace('user_1', one, two)).toBe(1)
      expect(await replace('user_1', one, three)).toBe(0)
      const kept = await store().accounts.readCredential('ca_1')
      expect([...(kept?.sealed ?? [])]).toEqual([2])
      expect(kept?.account).toMatchObject({ generation: 1, updatedAt: AT })
    })

    it('scrubs the files, also when there is nothing to scrub', async () => {
      await expect(store().scrub()).resolves.toBeUndefined()
      await expect(store().scrub()).resolves.toBeUndefined()
    })
  })
}

/** A key of the encryption ring. */
function aKey(keyId: string, currentFrom: Date, change: Partial<RingKey> = {}): Omit<RingKey, 'retiredAt'> {
  return {
    ring: 'encryption',
    keyId,
    proof: Uint8Array.of(1, 2, 0, 255),
    wrappedKey: undefined,
    currentFrom,
    seenAt: currentFrom,
    ...change,
  }
}

async function anAccount(store: Store, id: string, userIdentifier: string, sealed?: Uint8Array): Promise<void> {
  const connectionId = await store.connections.ensure({ id: 'conn_1', name: 'mail', createdAt: AT })
  const account = { id, connectionId, userIdentifier, generation: 0, createdAt: AT, updatedAt: AT }
  await store.accounts.insertMissing([{ ...account, status: 'PENDING_AUTH' }])
  if (sealed) await store.accounts.setCredential(account, { sealed, status: 'ACTIVE', at: AT })
}

/** Drivers give bytes as classes of their own. */
function plain({ proof, wrappedKey, ...key }: Omit<RingKey, 'retiredAt'>) {
  return { ...key, retiredAt: undefined, proof: [...proof], wrappedKey: wrappedKey && [...wrappedKey] }
}
