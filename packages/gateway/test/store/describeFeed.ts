import { beforeEach, describe, expect, it } from 'vitest'
import type { AccountEvent, ConnectedAccount } from '../../src/domain.ts'
import type { Store } from '../../src/store/store.ts'

const AT = new Date('2026-07-28T10:00:00.000Z')
const LATER = new Date(AT.getTime() + 60_000)
const SEALED = Uint8Array.of(1, 2, 3)

const key = (generation = 1, userIdentifier = 'anna') => ({ id: 'ca_1', userIdentifier, generation })

/** What several processes on one store tell one another: refreshes that are under way, and what has happened. */
export function describeFeed(store: () => Store): void {
  describe('refreshes', () => {
    beforeEach(async () => {
      await store().connections.ensure({ id: 'mail', name: 'mail', createdAt: AT })
      await store().accounts.insertMissing([anAccount('ca_1', 'anna')])
      await store().accounts.setCredential(key(0), { sealed: SEALED, status: 'ACTIVE', at: AT })
    })

    it('knows of none at first, nor of an account that is not there', async () => {
      const none = { startedAt: undefined, failedAt: undefined, failures: 0 }
      expect(await store().refreshes.get('ca_1')).toEqual(none)
      expect(await store().refreshes.get('ca_2')).toEqual(none)
      expect(await store().refreshes.inDoubt(10)).toEqual([])
    })

    it('is in doubt from the beginning to the writing of the credential', async () => {
      expect(await store().refreshes.begin(key(), LATER)).toBe(true)
      expect(await store().refreshes.get('ca_1')).toMatchObject({ startedAt: LATER, failures: 0 })
      expect(await store().refreshes.inDoubt(10)).toEqual([{ ...key(), connectionId: 'mail' }])
      expect((await store().accounts.get('ca_1'))?.updatedAt).toEqual(AT)
      await store().accounts.setCredential(key(), { sealed: SEALED, status: 'ACTIVE', at: LATER })
      expect(await store().refreshes.inDoubt(10)).toEqual([])
      expect(await store().refreshes.get('ca_1')).toEqual({ startedAt: undefined, failedAt: undefined, failures: 0 })
    })

    it('counts failures, of which only those without an answer stay in doubt', async () => {
      await store().refreshes.begin(key(), AT)
      await store().refreshes.fail(key(), { at: LATER, inDoubt: true })
      expect(await store().refreshes.get('ca_1')).toEqual({ startedAt: AT, failedAt: LATER, failures: 1 })
      await store().refreshes.fail(key(), { at: LATER, inDoubt: false })
      expect(await store().refreshes.get('ca_1')).toEqual({ startedAt: undefined, failedAt: LATER, failures: 2 })
      expect(await store().refreshes.inDoubt(10)).toEqual([])
    })

    it('is not in doubt any more once the account is not ACTIVE', async () => {
      await store().refreshes.begin(key(), AT)
      await store().accounts.setStatus(key(), 'EXPIRED', LATER)
      expect(await store().refreshes.inDoubt(10)).toEqual([])
      expect(await store().refreshes.begin(key(), AT)).toBe(false)
    })

    it.each([
      ['another generation', key(2)],
      ['another user', key(1, 'berta')],
    ])('changes nothing of %s', async (_case, other) => {
      expect(await store().refreshes.begin(other, AT)).toBe(false)
      await store().refreshes.fail(other, { at: AT, inDoubt: false })
      expect(await store().refreshes.get('ca_1')).toEqual({ startedAt: undefined, failedAt: undefined, failures: 0 })
    })

    it('gives the oldest doubts first, and no more than are asked for', async () => {
      await store().accounts.insertMissing([anAccount('ca_2', 'berta')])
      const other = { id: 'ca_2', userIdentifier: 'berta', generation: 0 }
      await store().accounts.setCredential(other, { sealed: SEALED, status: 'ACTIVE', at: AT })
      await store().refreshes.begin(key(), LATER)
      await store().refreshes.begin({ ...other, generation: 1 }, AT)
      expect((await store().refreshes.inDoubt(1)).map(({ id }) => id)).toEqual(['ca_2'])
    })
  })

  describe('locks', () => {
    it('let one work of a key run at a time, in the order in which they came', async () => {
      const order: string[] = []
      const work = async (name: string) => {
        order.push(`${name} begins`)
        await store().accounts.get('ca_1')
        order.push(`${name} ends`)
      }
      await Promise.all(['a', 'b'].map((name) => store().locks.hold('key', () => work(name))))
      expect(order).toEqual(['a begins', 'a ends', 'b begins', 'b ends'])
    })

    it('do nothing with a key that is held, where that is asked for', async () => {
      const inner = await store().locks.hold('key', async () => [
        await store().locks.holdIfFree('key', async () => 'got it'),
        await store().locks.holdIfFree('other key', async () => 'got it'),
      ])
      expect(inner).toEqual([undefined, 'got it'])
      expect(await store().locks.holdIfFree('key', async () => 'got it')).toBe('got it')
    })

    it('are let go when the work fails', async () => {
      await expect(store().locks.hold('key', () => Promise.reject(new Error('it failed')))).rejects.toThrow('it failed')
      expect(await store().locks.hold('key', async () => 'got it')).toBe('got it')
    })

    it('are no business of a transaction', async () => {
      const within = store().transaction((inner) => inner.locks.hold('key', async () => 'got it'))
      await expect(within).rejects.toThrow('transaction')
    })
  })

  describe('events of everybody', () => {
    it('come in order, after a place, and no more than are asked for', async () => {
      const appended = await Promise.all(
        ['evt_1', 'evt_2', 'evt_3'].map((id, index) =>
          store().events.append(anEvent(id, index === 1 ? 'berta' : 'anna')),
        ),
      )
      const [first, ...others] = appended.toSorted((one, other) => one.sequence - other.sequence)
      expect(await store().events.since(first!.sequence, 10)).toEqual(others)
      expect(await store().events.since(first!.sequence, 1)).toEqual(others.slice(0, 1))
      expect(await store().events.since(others.at(-1)!.sequence, 10)).toEqual([])
    })
  })
}

function anAccount(id: string, userIdentifier: string): ConnectedAccount {
  return {
    id,
    connectionId: 'mail',
    userIdentifier,
    status: 'PENDING_AUTH',
    generation: 0,
    createdAt: AT,
    updatedAt: AT,
  }
}

function anEvent(id: string, userIdentifier: string): Omit<AccountEvent, 'sequence'> {
  return {
    id,
    accountId: 'ca_1',
    userIdentifier,
    connectionId: 'mail',
    status: 'ACTIVE',
    oldStatus: 'PENDING_AUTH',
    occurredAt: AT,
  }
}
