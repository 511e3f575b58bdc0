import { describe, expect, it } from 'vitest'
import type { ScopeRequest, Store } from '../../src/store/store.ts'

const AT = new Date('2026-07-28T10:00:00.000Z')

/** What every store keeps of what upstreams want beyond a grant. */
export function describeScopeRequests(opened: () => Store): void {
  describe('scopeRequests', () => {
    it('keeps one for each account, replaces only its own user’s, and loses it with the account', async () => {
      const store = opened()
      const connectionId = await store.connections.ensure({ id: 'conn_scope', name: 'scope', createdAt: AT })
      const ids = { id: 'ca_scope', connectionId, userIdentifier: 'anna' }
      const times = { createdAt: AT, updatedAt: AT }
      await store.accounts.insertMissing([{ ...ids, status: 'ACTIVE', generation: 0, ...times }])
      const request: ScopeRequest = {
        accountId: 'ca_scope',
        userIdentifier: 'anna',
        scope: 'mail.send',
        isOpen: true,
        consents: 0,
        requestedAt: AT,
      }
      expect(await store.scopeRequests.get('ca_scope')).toBeUndefined()
      await store.scopeRequests.put(request)
      expect(await store.scopeRequests.get('ca_scope')).toEqual(request)
      await store.scopeRequests.put({ ...request, userIdentifier: 'berta', scope: 'everything' })
      expect(await store.scopeRequests.get('ca_scope')).toEqual(request)
      await store.scopeRequests.put({ ...request, isOpen: false, consents: 1 })
      expect(await store.scopeRequests.get('ca_scope')).toEqual({ ...request, isOpen: false, consents: 1 })
      const account = await store.accounts.get('ca_scope')
      if (account === undefined) throw new Error('no account')
      await store.accounts.delete(account)
      expect(await store.scopeRequests.get('ca_scope')).toBeUndefined()
    })
  })
}
