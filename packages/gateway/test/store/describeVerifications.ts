import { beforeEach, describe, expect, it } from 'vitest'
import type { PendingVerification, Store } from '../../src/store/store.ts'

const AT = new Date('2026-07-28T10:00:00.000Z')
const LATER = new Date(AT.getTime() + 60_000)

/** What the contract says of credentials that wait for verification, and of links that lead there. */
export function describeVerifications(current: () => Store): void {
  describe('verifications', () => {
    let store: Store
    beforeEach(async () => {
      store = current()
      await store.connections.ensure({ id: 'conn_1', name: 'mail', createdAt: AT })
      await store.accounts.insertMissing([anAccount('ca_u', 'u'), anAccount('ca_v', 'v')])
    })

    it('gives back what was put in', async () => {
      const pending = aPending('r1', { clientId: 'app', previousStatus: 'EXPIRED' })
      await store.verifications.insert(pending)
      await store.verifications.insert(aPending('r2'))
      expect(await store.verifications.find('r1')).toEqual(pending)
      expect((await store.verifications.find('r2'))?.clientId).toBeUndefined()
      expect(await store.verifications.find('r3')).toBeUndefined()
    })

    it('is taken once of 100 at the same time', async () => {
      await store.verifications.insert(aPending('r1'))
      const taken = await Promise.all(Array.from({ length: 100 }, () => store.verifications.take('r1', 'u')))
      expect(taken.filter(Boolean)).toHaveLength(1)
      expect(await store.verifications.find('r1')).toBeUndefined()
    })

    it('is not taken in the name of another user', async () => {
      await store.verifications.insert(aPending('r1'))
      for (const other of ['v', 'U', 'u ', '']) expect(await store.verifications.take('r1', other)).toBe(false)
      expect(await store.verifications.find('r1')).toBeDefined()
    })

    it('lists those of one account and one user only', async () => {
      await store.verifications.insert(aPending('r1'))
      await store.verifications.insert(aPending('r2', { accountId: 'ca_v', userIdentifier: 'v' }))
      const idsOf = async (account: string, user: string) =>
        (await store.verifications.ofAccount(account, user)).map(({ requestHash }) => requestHash)
      expect([await idsOf('ca_u', 'u'), await idsOf('ca_v', 'v'), await idsOf('ca_v', 'u')]).toEqual([
        ['r1'],
        ['r2'],
        [],
      ])
    })

    it('finds what has expired, the oldest first, and no more than asked for', async () => {
      await store.verifications.insert(aPending('late', { expiresAt: new Date(LATER.getTime() + 1) }))
      await store.verifications.insert(aPending('second', { expiresAt: LATER }))
      await store.verifications.insert(aPending('first', { expiresAt: AT }))
      const idsOf = async (limit: number) =>
        (await store.verifications.expired(LATER, limit)).map(({ requestHash }) => requestHash)
      expect([await idsOf(10), await idsOf(1)]).toEqual([['first', 'second'], ['first']])
    })

    it('goes with its account', async () => {
      await store.verifications.insert(aPending('r1'))
      await store.accounts.delete({ id: 'ca_u', userIdentifier: 'u', generation: 0 })
      expect(await store.verifications.find('r1')).toBeUndefined()
    })

    it('keeps with a link who asked for it and where it leads', async () => {
      const sealedState = new Uint8Array([1, 2, 3])
      const link = { id: 'lnk_1', accountId: 'ca_u', tokenHash: 'h', createdAt: AT, expiresAt: LATER }
      await store.links.insert({ ...link, clientId: 'app', verifyUrl: 'https://app.example/cb', sealedState })
      const kept = await store.links.get('lnk_1')
      expect(kept).toMatchObject({ clientId: 'app', verifyUrl: 'https://app.example/cb' })
      expect([...(kept?.sealedState ?? [])]).toEqual([1, 2, 3])
    })
  })
}

function anAccount(id: string, userIdentifier: string) {
  return {
    id,
    connectionId: 'conn_1',
    userIdentifier,
    status: 'PENDING_AUTH',
    generation: 0,
    createdAt: AT,
    updatedAt: AT,
  } as const
}

function aPending(requestHash: string, change: Partial<PendingVerification> = {}): PendingVerification {
  return {
    requestHash,
    accountId: 'ca_u',
    userIdentifier: 'u',
    clientId: undefined,
    previousStatus: 'PENDING_AUTH',
    sealedCredential: new Uint8Array([7, 7]),
    expiresAt: LATER,
    ...change,
  }
}
