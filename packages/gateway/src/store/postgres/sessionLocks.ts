import { setTimeout as delay } from 'node:timers/promises'
import type { Secret } from '../../secret.ts'
import { createLocalLocks } from '../localLocks.ts'
import type { LockStore } from '../store.ts'
import { createLockSession } from './lockSession.ts'

export interface SessionLocks extends LockStore {
  readonly close: () => Promise<void>
}

/** How often those who wait for another process ask again, in milliseconds. */
const ASK_EVERY_MS = 20

/**
 * Locks of one session, which hold any number of keys on one connection: one slow authorization server takes nothing away
 * from all the others. Advisory locks of a session end with it, and so with the process.
 * https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
 */
export function createSessionLocks(url: Secret): SessionLocks {
  // A session may take its own lock again, so the process keeps its own order first.
  const local = createLocalLocks()
  const session = createLockSession(url)

  async function run<T>(key: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } finally {
      session.release(key)
    }
  }

  return {
    hold: (key, work) =>
      local.hold(key, async () => {
        while (!(await session.take(key))) await delay(ASK_EVERY_MS)
        return await run(key, work)
      }),
    holdIfFree: (key, work) =>
      local.holdIfFree(key, async () => ((await session.take(key)) ? await run(key, work) : undefined)),
    close: session.close,
  }
}
