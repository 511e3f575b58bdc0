import type { Secret } from '../../secret.ts'
import type { Engine } from '../queries/createStore.ts'
import { createKeyedQueue } from '../keyedQueue.ts'
import { createSessionLocks } from './sessionLocks.ts'
import { listenForWakeUps } from './wakeUps.ts'

/** Several processes have the database: what they lock, and what they tell one another, goes through it. */
export function createEngine(url: Secret): Engine {
  const { close, ...locks } = createSessionLocks(url)
  const queue = createKeyedQueue()
  let isListening = false
  return {
    locks,
    // Those who wait for the one writer's lock would else take all connections, and whoever only reads would wait too.
    inTurn: (work) => queue('writer', work),
    listen: (onWakeUp) => listenForWakeUps(url, { onWakeUp, onState: (is) => (isListening = is) }),
    isListening: () => isListening,
    // Postgres takes out what was deleted by itself (autovacuum), and gives nobody a way to wait for that.
    scrub: () => Promise.resolve(),
    close,
  }
}
