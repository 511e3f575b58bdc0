import { beforeEach, describe, expect, it } from 'vitest'
import type { AccountEvent, WebhookAttempt } from '../../src/domain.ts'
import type { Store, StoredWebhookEndpoint } from '../../src/store/store.ts'

const AT = new Date('2026-07-28T10:00:00.000Z')
const at = (seconds: number) => new Date(AT.getTime() + seconds * 1000)

const ATTEMPT: WebhookAttempt = { at: AT.getTime(), durationMs: 12, responseStatus: 503, error: 'It answered 503.' }

/** What every store keeps about webhooks. */
export function describeWebhooks(store: () => Store): void {
  describe('webhooks', () => {
    let number = 0
    beforeEach(() => {
      number = 0
    })

    const { webhooks, append, claim } = helpers(store, () => `evt_${++number}`)

    it('gives back what was put in, oldest first', async () => {
      const [b, a] = [anEndpoint('b', { createdAt: at(1) }), anEndpoint('a', { description: 'CRM', createdAt: AT })]
      await webhooks().insert(b)
      await webhooks().insert(a)
      expect(await webhooks().list()).toEqual([a, b])
      expect(await webhooks().get('a')).toEqual(a)
      expect(await webhooks().get('__proto__')).toBeUndefined()
    })

    it('changes only what a change names', async () => {
      await webhooks().insert(anEndpoint('a', { description: 'CRM', failingSince: AT }))
      expect(await webhooks().update('a', { disabledReason: 'gone', updatedAt: at(1) })).toBe(true)
      expect(await webhooks().get('a')).toMatchObject({
        description: 'CRM',
        disabledReason: 'gone',
        failingSince: AT,
        updatedAt: at(1),
      })
      await webhooks().update('a', {
        disabledReason: undefined,
        failingSince: undefined,
        description: undefined,
        url: 'https://other.example/',
        updatedAt: at(2),
      })
      expect(await webhooks().get('a')).toMatchObject({
        url: 'https://other.example/',
        description: undefined,
        disabledReason: undefined,
        failingSince: undefined,
      })
      expect(await webhooks().update('none', { url: 'https://x.example/', updatedAt: AT })).toBe(false)
    })

    it('writes secrets only over the generation that was read', async () => {
      await webhooks().insert(anEndpoint('a'))
      const sealed = Uint8Array.of(7)
      expect(await webhooks().setSecrets({ id: 'a', generation: 1 }, sealed, at(1))).toBe(true)
      expect(await webhooks().setSecrets({ id: 'a', generation: 1 }, Uint8Array.of(8), at(2))).toBe(false)
      expect(await webhooks().get('a')).toMatchObject({ generation: 2, sealedSecrets: sealed })
    })

    it('queues an event for every endpoint that is enabled', async () => {
      await webhooks().insert(anEndpoint('a'))
      await webhooks().insert(anEndpoint('b'))
      await webhooks().insert(anEndpoint('off', { disabledReason: 'requested' }))
      const event = await append()
      for (const id of ['a', 'b']) {
        expect(await webhooks().delivery(id, event.id)).toEqual({
          endpointId: id,
          eventId: event.id,
          sequence: event.sequence,
          status: 'pending',
          attempts: 0,
          attemptLog: [],
          nextAttemptAt: AT,
          createdAt: AT,
        })
      }
      expect(await webhooks().delivery('off', event.id)).toBeUndefined()
    })

    it('queues nothing when the transaction is undone', async () => {
      await webhooks().insert(anEndpoint('a'))
      const undone = store().transaction(async (inner) => {
        await inner.webhooks.enqueue(await inner.events.append(anEvent('evt_u', AT)), AT)
        throw new Error('undo')
      })
      await expect(undone).rejects.toThrow('undo')
      expect(await webhooks().deliveries({ endpointId: 'a', limit: 10 })).toEqual([])
    })

    it('claims what is due, with its event, in order, at most so many, each once until the claim ends', async () => {
      await webhooks().insert(anEndpoint('a'))
      const events = [await append(), await append(), await append(), await append(at(10))]
      expect(idsOf(await claim('a', new Date(AT.getTime() - 1)))).toEqual([])
      const first = await claim('a', AT, 'c1', 2)
      expect(first.map(({ event }) => event)).toEqual(events.slice(0, 2))
      expect(idsOf(await claim('a', AT, 'c2'))).toEqual(['evt_3'])
      expect(idsOf(await claim('a', at(9), 'c3'))).toEqual([])
      // The claims of 60 s have run out, and the last one has become due.
      expect(idsOf(await claim('a', at(60), 'c4'))).toEqual(['evt_1', 'evt_2', 'evt_3', 'evt_4'])
    })

    it('gives each delivery to one of those who claim at the same time', async () => {
      await webhooks().insert(anEndpoint('a'))
      for (let count = 0; count < 20; count++) await append()
      const ids: string[] = []
      // On Postgres those who look at the same rows at the same moment leave them to the first, and come again.
      for (let round = 0; round < 20 && ids.length < 20; round++) {
        const asked = Array.from({ length: 10 }, (_, index) => claim('a', AT, `c${round}_${index}`, 5))
        const claims = await Promise.all(asked)
        expect(claims.some((each) => each.length > 0)).toBe(true)
        ids.push(...claims.flatMap(idsOf))
      }
      expect(new Set(ids).size).toBe(20)
      expect(ids).toHaveLength(20)
    })

    it('claims a delivery whose event is forgotten without its event', async () => {
      await webhooks().insert(anEndpoint('a'))
      await append()
      await append(at(10))
      await store().events.forget(at(10))
      expect((await claim('a', at(10))).map(({ event }) => event?.id)).toEqual([undefined, 'evt_2'])
    })

    it('finishes a delivery only for whoever holds the claim', async () => {
      await webhooks().insert(anEndpoint('a'))
      await append()
      await claim('a', AT, 'c1')
      await claim('a', at(60), 'c2')
      const key = { endpointId: 'a', eventId: 'evt_1' }
      const done = { status: 'delivered', attempts: 1, attemptLog: [ATTEMPT], nextAttemptAt: undefined } as const
      expect(await webhooks().finish({ ...key, claim: 'c1' }, done)).toBe(false)
      expect(await webhooks().finish({ ...key, claim: 'c2' }, done)).toBe(true)
      expect(await webhooks().delivery('a', 'evt_1')).toMatchObject({ ...done })
      expect(await webhooks().finish({ ...key, claim: 'c2' }, done)).toBe(false)
      expect(idsOf(await claim('a', at(1e6)))).toEqual([])
    })

    it('says when the next delivery is due', async () => {
      await webhooks().insert(anEndpoint('a'))
      expect(await webhooks().nextDue('a')).toBeUndefined()
      await append(at(5))
      await append(at(3))
      expect(await webhooks().nextDue('a')).toEqual(at(3))
      await claim('a', at(3))
      expect(await webhooks().nextDue('a')).toEqual(at(5))
    })

    it('lists deliveries from the newest event on, by page and by status', async () => {
      await webhooks().insert(anEndpoint('a'))
      await webhooks().insert(anEndpoint('b'))
      for (let count = 0; count < 4; count++) await append()
      await claim('a', AT, 'c', 1)
      await webhooks().finish(
        { endpointId: 'a', eventId: 'evt_1', claim: 'c' },
        { status: 'failed', attempts: 9, attemptLog: [], nextAttemptAt: undefined },
      )
      const first = await webhooks().deliveries({ endpointId: 'a', limit: 2 })
      expect(first.map(({ eventId }) => eventId)).toEqual(['evt_4', 'evt_3'])
      await append()
      const second = await webhooks().deliveries({ endpointId: 'a', limit: 9, beforeSequence: first[1]?.sequence })
      expect(second.map(({ eventId }) => eventId)).toEqual(['evt_2', 'evt_1'])
      const back = await webhooks().deliveries({ endpointId: 'a', limit: 2, afterSequence: second[0]?.sequence })
      expect(back.map(({ eventId }) => eventId)).toEqual(['evt_4', 'evt_3'])
      const failed = await webhooks().deliveries({ endpointId: 'a', limit: 9, status: 'failed' })
      expect(failed.map(({ eventId }) => eventId)).toEqual(['evt_1'])
    })

    it('replays one delivery at once, and takes it from whoever sends it', async () => {
      await webhooks().insert(anEndpoint('a'))
      await append()
      await claim('a', AT, 'c1')
      expect(await webhooks().replay('a', 'evt_1', at(1))).toBe(true)
      expect(await webhooks().replay('a', 'evt_none', at(1))).toBe(false)
      expect(await webhooks().delivery('a', 'evt_1')).toMatchObject({ attempts: 0, nextAttemptAt: at(1) })
      const done = { status: 'delivered', attempts: 1, attemptLog: [], nextAttemptAt: undefined } as const
      expect(await webhooks().finish({ endpointId: 'a', eventId: 'evt_1', claim: 'c1' }, done)).toBe(false)
    })

    it('replays what was given up or never queued since a time, and what was delivered only on demand', async () => {
      await append(at(-10))
      await append()
      await webhooks().insert(anEndpoint('a'))
      await webhooks().insert(anEndpoint('b'))
      await append(at(1))
      await append(at(2))
      await claim('a', at(2), 'c')
      for (const [eventId, status] of [['evt_3', 'failed'] as const, ['evt_4', 'delivered'] as const]) {
        const result = { status, attempts: 1, attemptLog: [], nextAttemptAt: undefined }
        await webhooks().finish({ endpointId: 'a', eventId, claim: 'c' }, result)
      }
      expect(await webhooks().replaySince('a', { since: AT, includeDelivered: false, at: at(3) })).toBe(2)
      expect(idsOf(await claim('a', at(3), 'd'))).toEqual(['evt_2', 'evt_3'])
      expect(await webhooks().replaySince('a', { since: AT, includeDelivered: true, at: at(4) })).toBe(1)
      expect(idsOf(await claim('a', at(4), 'e'))).toEqual(['evt_4'])
      expect(await webhooks().deliveries({ endpointId: 'b', limit: 9 })).toHaveLength(2)
    })

    it('forgets old deliveries, and all of an endpoint that is deleted', async () => {
      await webhooks().insert(anEndpoint('a'))
      await webhooks().insert(anEndpoint('b'))
      await append(AT)
      await append(at(10))
      await webhooks().forgetDeliveries(at(10))
      expect((await webhooks().deliveries({ endpointId: 'a', limit: 9 })).map(({ eventId }) => eventId)).toEqual([
        'evt_2',
      ])
      expect(await webhooks().delete('a')).toBe(true)
      expect(await webhooks().delete('a')).toBe(false)
      expect(await webhooks().deliveries({ endpointId: 'a', limit: 9 })).toEqual([])
      expect(await webhooks().deliveries({ endpointId: 'b', limit: 9 })).toHaveLength(1)
    })
  })

  describe('events that are forgotten', () => {
    it('forgets what is older, and never the latest', async () => {
      expect(await store().events.earliestSequence()).toBeUndefined()
      const events = []
      for (const [index, seconds] of [0, 10, 20].entries()) {
        events.push(await store().events.append(anEvent(`evt_${index}`, at(seconds))))
      }
      await store().events.forget(at(10))
      expect(await store().events.earliestSequence()).toBe(events[1]?.sequence)
      await store().events.forget(at(1e6))
      expect(await store().events.earliestSequence()).toBe(events[2]?.sequence)
      expect(await store().events.latestSequence()).toBe(events[2]?.sequence)
    })
  })
}

function helpers(store: () => Store, nextId: () => string) {
  return {
    webhooks: () => store().webhooks,
    append: async (occurredAt = AT): Promise<AccountEvent> =>
      await store().transaction(async (inner) => {
        const event = await inner.events.append(anEvent(nextId(), occurredAt))
        await inner.webhooks.enqueue(event, occurredAt)
        return event
      }),
    claim: async (endpointId: string, now: Date, claim = 'c', limit = 10) =>
      await store().webhooks.claim({ endpointId, claim, now, until: new Date(now.getTime() + 60_000), limit }),
  }
}

const idsOf = (claimed: readonly { delivery: { eventId: string } }[]) => claimed.map(({ delivery }) => delivery.eventId)

function anEndpoint(id: string, overrides: Partial<StoredWebhookEndpoint> = {}): StoredWebhookEndpoint {
  return {
    id,
    url: `https://${id}.example/hook`,
    description: undefined,
    source: 'api',
    disabledReason: undefined,
    sealedSecrets: Uint8Array.of(1, 2, 3),
    generation: 1,
    failingSince: undefined,
    createdAt: AT,
    updatedAt: AT,
    ...overrides,
  }
}

function anEvent(id: string, occurredAt: Date): Omit<AccountEvent, 'sequence'> {
  return {
    id,
    accountId: 'ca_1',
    userIdentifier: 'u',
    connectionId: 'conn_1',
    status: 'ACTIVE',
    oldStatus: 'PENDING_AUTH',
    occurredAt,
  }
}
