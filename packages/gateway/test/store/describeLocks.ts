import { describe, expect, it } from 'vitest'
import type { Store } from '../../src/store/store.ts'

/** What every store keeps about its locks. Several processes are tried in `postgres.test.ts`. */
export function describeLocks(current: () => Store): void {
  describe('locks', () => {
    it('run one work of a key at a time', async () => {
      let running = 0
      const works = Array.from({ length: 50 }, () =>
        current().locks.hold('key', async () => {
          running += 1
          await current().events.latestSequence()
          expect(running).toBe(1)
          running -= 1
        }),
      )
      expect(await Promise.all(works)).toHaveLength(50)
    })

    it('let work of other keys, transactions and reading go on meanwhile', async () => {
      const meeting = Promise.withResolvers<void>()
      const held = current().locks.hold('a', async () => await meeting.promise)
      await current().transaction(async (inner) => void (await inner.events.latestSequence()))
      await current().locks.hold('b', async () => meeting.resolve())
      expect(await held).toBeUndefined()
    })

    it('give what work gives, and let the key go when work fails', async () => {
      const failing = current().locks.hold('key', () => Promise.reject(new Error('no')))
      await expect(failing).rejects.toThrow('no')
      expect(await current().locks.hold('key', () => Promise.resolve('done'))).toBe('done')
    })

    it('are not waited for by who asks only if they are free', async () => {
      const { locks } = current()
      const within = await locks.hold('key', async () => await locks.holdIfFree('key', () => Promise.resolve('second')))
      expect(within).toBeUndefined()
      expect(await locks.holdIfFree('key', () => Promise.resolve('first'))).toBe('first')
    })
  })
}
