import { Kysely } from 'kysely'
import type { Pool } from 'pg'
import { GatewayError } from '../../errors.ts'
import type { Secret } from '../../secret.ts'
import { migrate } from '../migrations/migrate.ts'
import { createStore } from '../queries/createStore.ts'
import type { Schema } from '../schema.ts'
import type { Store } from '../store.ts'
import { BEGIN_WRITING } from './beginWriting.ts'
import { columnTypes } from './columnTypes.ts'
import { LatchkeyPostgresDialect } from './dialect.ts'
import { createEngine } from './engine.ts'
import { createPool } from './pool.ts'

/** Connections of one process, which has two more for locks and notifications. Postgres has 100 for all, unless told otherwise. */
const POOL_SIZE = 10

/**
 * Opens the store in a Postgres database, bringing it to the current layout. Any number of processes may do so at once.
 *
 * @param url - `postgres://user:password@host:port/database`, with its own parameters, such as `sslmode`.
 * @throws GatewayError `configuration` if the database cannot be reached or is not ours.
 */
export async function openPostgresStore(url: Secret): Promise<Store> {
  const pool = createPool(url, POOL_SIZE)
  const db = new Kysely<Schema>({ dialect: new LatchkeyPostgresDialect({ pool, begin: BEGIN_WRITING }) })
  try {
    await reach(pool)
    await migrate(db, columnTypes)
  } catch (error) {
    await pool.end()
    throw error
  }
  return createStore(db, createEngine(url))
}

/** Postgres's own reason names the user or the database, but never the password. */
async function reach(pool: Pool): Promise<void> {
  try {
    await pool.query('select 1')
  } catch (error) {
    throw new GatewayError(
      'configuration',
      `The Postgres database cannot be reached (${reasonOf(error)}). ` +
        'Check the host, the user, the password and the TLS parameters of `database`.',
      { cause: error },
    )
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  // Of several addresses that were tried, Node tells the code only.
  if (error.message === '' && 'code' in error) return String(error.code)
  return error.message
}
