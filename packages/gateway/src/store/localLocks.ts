import { createKeyedQueue } from './keyedQueue.ts'
import type { LockStore } from './store.ts'

/** Locks within this process: all that is needed where it has the database to itself. */
export function createLocalLocks(): LockStore {
  const queue = createKeyedQueue()
  const held = new Map<string, number>()

  async function hold<T>(key: string, work: () => Promise<T>): Promise<T> {
    held.set(key, (held.get(key) ?? 0) + 1)
    try {
      return await queue(key, work)
    } finally {
      const left = (held.get(key) ?? 1) - 1
      if (left === 0) held.delete(key)
      else held.set(key, left)
    }
  }

  return {
    hold,
    holdIfFree: (key, work) => (held.has(key) ? Promise.resolve(undefined) : hold(key, work)),
  }
}
