import type { Kysely } from 'kysely'
import type { Secret } from '../../secret.ts'
import { createKeyedQueue } from '../keyedQueue.ts'
import type { Engine } from '../queries/createStore.ts'
import type { Schema } from '../schema.ts'
import { lockKey, writePart } from './locks.ts'
import { createSessionLocks } from './sessionLocks.ts'
import { listenForWakeUps } from './wakeUps.ts'

/**
 * @param exclusive - the database over connections of its own: those who hold a key may need the others to go on. Its
 *   transactions do not wait for those that write.
 */
export function createEngine(exclusive: Kysely<Schema>, url: Secret): Engine {
  const keys = createKeyedQueue()
  const { close: closeLocks, ...locks } = createSessionLocks(url)
  return {
    // Queued within the process first, so that those who wait for one key take up one connection and not all of them.
    exclusively: (key, work) =>
      keys(key, () =>
        exclusive.transaction().execute(async (db) => {
          const parts = createKeyedQueue()
          await lockKey(db, key)
          return await work({ db, begin: (part) => parts('', () => writePart(db, part)) })
        }),
      ),
    locks,
    listen: (onWakeUp) => listenForWakeUps(url, onWakeUp),
    // Postgres takes out what was deleted by itself (autovacuum), and gives nobody a way to wait for that.
    scrub: () => Promise.resolve(),
    close: async () => void (await Promise.all([closeLocks(), exclusive.destroy()])),
  }
}
