import { createHash } from 'node:crypto'
import { sql, type Kysely } from 'kysely'
import type { Schema } from '../schema.ts'

/**
 * Advisory locks end with their transaction, and so with the process that holds them: nothing has to be cleaned up after
 * a crash. https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
 */

/** "latchkey" in hexadecimal: all gateways on one database agree on it, and nobody else has it by chance. */
const WRITER = '7809651199139603833'

/** How long a writer waits for the others, and how long it may stand still, before the database ends it. */
const WRITER_PATIENCE_MS = 15_000

/** A server of a provider may take its time to answer. */
const EXCLUSIVE_PATIENCE_MS = 300_000

/** Makes a transaction the only one that writes, until it ends. Taken twice, it is still one lock. */
const LOCK_WRITER = `set local lock_timeout = ${WRITER_PATIENCE_MS}; select pg_advisory_xact_lock(${WRITER})`

/**
 * Begins a transaction that writes. They run one after the other, in all processes on the database, as they do on
 * SQLite: code is written for one rule. Reading, and single statements, are not held up.
 */
export const BEGIN_WRITING = `begin; set local idle_in_transaction_session_timeout = ${WRITER_PATIENCE_MS}; ${LOCK_WRITER}`

/** Begins a transaction that first waits for a key, and holds no writer up meanwhile. */
export const BEGIN_EXCLUSIVE = `begin; set local idle_in_transaction_session_timeout = ${EXCLUSIVE_PATIENCE_MS}`

/** Two keys of one hash wait for one another, which costs time and nothing else. */
export async function lockKey(transaction: Kysely<Schema>, key: string): Promise<void> {
  const hash = createHash('sha256').update(key).digest().readBigInt64BE()
  await sql`select pg_advisory_xact_lock(${hash.toString()}::bigint)`.execute(transaction)
}

/** A part of a transaction that is all or nothing, and from which on it is the only one that writes. */
export async function writePart<T>(
  transaction: Kysely<Schema>,
  work: (transaction: Kysely<Schema>) => Promise<T>,
): Promise<T> {
  await sql.raw(`savepoint part; ${LOCK_WRITER}`).execute(transaction)
  try {
    const result = await work(transaction)
    await sql`release savepoint part`.execute(transaction)
    return result
  } catch (error) {
    await sql`rollback to savepoint part`.execute(transaction)
    throw error
  }
}
