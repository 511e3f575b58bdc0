/** Runs at most one piece of work of each key at a time, in the order in which they came. */
export type KeyedQueue = <T>(key: string, work: () => Promise<T>) => Promise<T>

/** A queue for each key, within this process. A key that nobody waits for takes no memory. */
export function createKeyedQueue(): KeyedQueue {
  const tails = new Map<string, Promise<void>>()
  return async (key, work) => {
    const before = tails.get(key)
    const done = Promise.withResolvers<void>()
    tails.set(key, done.promise)
    try {
      await before
      return await work()
    } finally {
      if (tails.get(key) === done.promise) tails.delete(key)
      done.resolve()
    }
  }
}
