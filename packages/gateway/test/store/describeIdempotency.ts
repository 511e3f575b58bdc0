import { describe, expect, it } from 'vitest'
import type { Store } from '../../src/store/store.ts'

const AT = new Date('2026-07-28T10:00:00.000Z')
const later = (milliseconds: number) => new Date(AT.getTime() + milliseconds)
const ANSWER = new Uint8Array([1, 2, 3])

/** Part of the store's contract. */
export function describeIdempotency(openStore: () => Store): void {
  const claim = (keyHash: string, name: string, at = AT, abandonedBefore = later(-1_000)) =>
    openStore().idempotency.claim({ keyHash, claim: name, at, abandonedBefore })

  describe('idempotency', () => {
    it('gives a key to exactly one of 100 at the same time', async () => {
      const claims = await Promise.all(Array.from({ length: 100 }, (_, index) => claim('race', `c${index}`)))
      expect(claims.filter((result) => result === 'claimed')).toHaveLength(1)
      expect(claims.filter((result) => result === 'in_progress')).toHaveLength(99)
    })

    it('gives the answer that was saved, and saves none for another claim', async () => {
      const { idempotency } = openStore()
      await claim('saved', 'mine')
      expect(await idempotency.save({ keyHash: 'saved', claim: 'other' }, ANSWER)).toBe(false)
      expect(await idempotency.save({ keyHash: 'saved', claim: 'mine' }, ANSWER)).toBe(true)
      expect(await claim('saved', 'late')).toEqual(ANSWER)
      expect(await claim('another', 'late')).toBe('claimed')
    })

    it('passes an abandoned claim on, and then keeps no answer of the first one', async () => {
      const { idempotency } = openStore()
      await claim('left', 'first')
      expect(await claim('left', 'second', later(1_000), AT)).toBe('in_progress')
      expect(await claim('left', 'second', later(1_001), later(1))).toBe('claimed')
      expect(await idempotency.save({ keyHash: 'left', claim: 'first' }, ANSWER)).toBe(false)
      expect(await idempotency.save({ keyHash: 'left', claim: 'second' }, ANSWER)).toBe(true)
      expect(await claim('left', 'third', later(9_000), later(8_000))).toEqual(ANSWER)
    })

    it('gives up a key that has no answer, for its own claim only', async () => {
      const { idempotency } = openStore()
      await claim('given up', 'mine')
      await idempotency.release({ keyHash: 'given up', claim: 'other' })
      expect(await claim('given up', 'next')).toBe('in_progress')
      await idempotency.release({ keyHash: 'given up', claim: 'mine' })
      expect(await claim('given up', 'next')).toBe('claimed')
      await idempotency.save({ keyHash: 'given up', claim: 'next' }, ANSWER)
      await idempotency.release({ keyHash: 'given up', claim: 'next' })
      expect(await claim('given up', 'last')).toEqual(ANSWER)
    })

    it('forgets what was claimed before a time', async () => {
      const store = openStore()
      await claim('old', 'mine')
      await claim('young', 'mine', later(1))
      await store.forgetExpired(later(1))
      expect(await claim('old', 'next', later(2))).toBe('claimed')
      expect(await claim('young', 'next', later(2))).toBe('in_progress')
    })
  })
}
