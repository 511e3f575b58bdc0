import { describe, expect, it } from 'vitest'
import type { PendingRevocation, Store } from '../../src/store/store.ts'

const AT = new Date('2026-07-28T10:00:00.000Z')
const later = (ms: number) => new Date(AT.getTime() + ms)

function pendingOf(userIdentifier: string, id: string, dueAt = AT): PendingRevocation {
  const ids = { id, userIdentifier, accountId: `ca_${id}`, connectionId: 'conn_1' }
  return { ...ids, sealedCredential: new Uint8Array([1, 2, 3]), dueAt }
}

/** What every store keeps of credentials whose servers have to be told. */
export function describePendingRevocations(opened: () => Store): void {
  describe('pendingRevocations', () => {
    it('gives those of a user, and of no other', async () => {
      const store = opened()
      const pending = pendingOf('anna', 'rev_1')
      await store.pendingRevocations.insert(pending)
      await store.pendingRevocations.insert(pendingOf('berta', 'rev_2'))
      expect(await store.pendingRevocations.ofUser('anna')).toEqual([pending])
    })

    it('gives what is due, the oldest first', async () => {
      const store = opened()
      await store.pendingRevocations.insert(pendingOf('anna', 'rev_1', later(2)))
      await store.pendingRevocations.insert(pendingOf('anna', 'rev_2', later(1)))
      await store.pendingRevocations.insert(pendingOf('anna', 'rev_3', later(3)))
      const due = await store.pendingRevocations.due(later(2), 10)
      expect(due.map(({ id }) => id)).toEqual(['rev_2', 'rev_1'])
      expect(await store.pendingRevocations.due(later(2), 1)).toHaveLength(1)
    })

    it('lets one of those who ask at once postpone it', async () => {
      const store = opened()
      const pending = pendingOf('anna', 'rev_1')
      await store.pendingRevocations.insert(pending)
      const won = await Promise.all([1, 2, 3].map((ms) => store.pendingRevocations.postpone(pending, later(ms))))
      expect(won.filter(Boolean)).toHaveLength(1)
      expect(await store.pendingRevocations.due(AT, 10)).toEqual([])
    })

    it('removes it once, and only for the user that is named', async () => {
      const store = opened()
      await store.pendingRevocations.insert(pendingOf('anna', 'rev_1'))
      expect(await store.pendingRevocations.delete({ id: 'rev_1', userIdentifier: 'berta' })).toBe(false)
      expect(await store.pendingRevocations.delete({ id: 'rev_1', userIdentifier: 'anna' })).toBe(true)
      expect(await store.pendingRevocations.delete({ id: 'rev_1', userIdentifier: 'anna' })).toBe(false)
    })
  })

  describe('links.countOpen', () => {
    it('counts the links of a user that could still be used', async () => {
      const store = opened()
      const connectionId = await store.connections.ensure({ id: 'conn_1', name: 'mail', createdAt: AT })
      const times = { createdAt: AT, updatedAt: AT }
      const accounts = ['anna', 'berta'].map((userIdentifier) => {
        const ids = { id: `ca_${userIdentifier}`, connectionId, userIdentifier }
        return { ...ids, status: 'PENDING_AUTH' as const, generation: 0, ...times }
      })
      await store.accounts.insertMissing(accounts)
      const link = (id: string, user: string, expiresAt: Date) =>
        store.links.insert({ id, accountId: `ca_${user}`, tokenHash: id, createdAt: AT, expiresAt })
      await link('open', 'anna', later(100))
      await link('used', 'anna', later(100))
      await link('expired', 'anna', later(10))
      await link('other', 'berta', later(100))
      await store.links.consume('used', later(1))
      expect(await store.links.countOpen('anna', later(50))).toBe(1)
    })
  })
}
