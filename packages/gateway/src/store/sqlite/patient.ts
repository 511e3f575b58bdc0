import { setTimeout as delay } from 'node:timers/promises'
import type { DatabaseConnection } from 'kysely'

const PATIENCE_MS = 5_000
const PAUSE_MS = 5
const SQLITE_BUSY = 5

/**
 * Waits while another connection holds the write lock. SQLite's own busy time-out would wait too, but it stops the whole
 * process meanwhile, and for ever where the holder lives in this very process. A statement that was busy was not run.
 */
export function patient(connection: DatabaseConnection): DatabaseConnection {
  return {
    executeQuery: async (query, options) => {
      const deadline = performance.now() + PATIENCE_MS
      for (;;) {
        try {
          return await connection.executeQuery(query, options)
        } catch (error) {
          if (!isBusy(error) || performance.now() > deadline) throw error
          await delay(PAUSE_MS)
        }
      }
    },
    streamQuery: (query, chunkSize, options) => connection.streamQuery(query, chunkSize, options),
  }
}

/** The extended codes keep the plain one in their lowest byte. */
function isBusy(error: unknown): boolean {
  return (
    error instanceof Error &&
    'errcode' in error &&
    typeof error.errcode === 'number' &&
    (error.errcode & 0xff) === SQLITE_BUSY
  )
}
