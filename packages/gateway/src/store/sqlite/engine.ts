import { sql, type Kysely } from 'kysely'
import { createLocalLocks } from '../localLocks.ts'
import type { Engine } from '../queries/createStore.ts'
import type { Schema } from '../schema.ts'

/** One process has the file to itself: nothing has to be locked, or told, outside of it. */
export function createEngine(db: Kysely<Schema>): Engine {
  return {
    locks: createLocalLocks(),
    listen: () => () => Promise.resolve(),
    isListening: () => true,
    // `secure_delete` overwrites what is deleted in the database itself; until this, the log beside it has the old pages.
    scrub: async () => void (await sql`pragma wal_checkpoint(truncate)`.execute(db)),
    close: () => Promise.resolve(),
  }
}
