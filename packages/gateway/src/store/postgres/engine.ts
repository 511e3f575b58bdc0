import type { Secret } from '../../secret.ts'
import type { Engine } from '../queries/createStore.ts'
import { createSessionLocks } from './sessionLocks.ts'
import { listenForWakeUps } from './wakeUps.ts'

/** Several processes have the database: what they lock, and what they tell one another, goes through it. */
export function createEngine(url: Secret): Engine {
  const { close, ...locks } = createSessionLocks(url)
  return {
    locks,
    listen: (onWakeUp) => listenForWakeUps(url, onWakeUp),
    // Postgres takes out what was deleted by itself (autovacuum), and gives nobody a way to wait for that.
    scrub: () => Promise.resolve(),
    close,
  }
}
