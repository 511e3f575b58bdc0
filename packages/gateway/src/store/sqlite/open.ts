import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Kysely } from 'kysely'
import { GatewayError } from '../../errors.ts'
import { migrate } from '../migrations/migrate.ts'
import { createStore } from '../queries/createStore.ts'
import type { Schema } from '../schema.ts'
import type { Store } from '../store.ts'
import { columnTypes } from './columnTypes.ts'
import { NodeSqliteDialect } from './dialect.ts'
import { createEngine } from './engine.ts'

/**
 * Opens the embedded store, making the file if it is not there and bringing it to the current layout.
 *
 * @param path - a file, or `:memory:` for a store that ends with the process.
 * @throws GatewayError `configuration` if the file cannot be opened or is not ours.
 */
export async function openSqliteStore(path: string): Promise<Store> {
  const database = openDatabase(path)
  try {
    const db = new Kysely<Schema>({ dialect: new NodeSqliteDialect(database) })
    await migrate(db, columnTypes)
    return createStore(db, createEngine(db))
  } catch (error) {
    database.close()
    throw error
  }
}

function openDatabase(path: string): DatabaseSync {
  try {
    if (path !== ':memory:') makeFile(path)
    const database = new DatabaseSync(path, { timeout: OPEN_TIMEOUT_MS, enableForeignKeyConstraints: true })
    database.exec(PRAGMAS)
    return database
  } catch (error) {
    throw new GatewayError(
      'configuration',
      `The database ${path} cannot be opened. Check the path and its permissions.`,
      {
        cause: error,
      },
    )
  }
}

/** Nobody else on the machine may read it. SQLite gives its side files the same mode. */
function makeFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true })
  closeSync(openSync(path, 'a', 0o600))
}

const OPEN_TIMEOUT_MS = 5_000

/**
 * `synchronous = full`: a lost commit may be a refresh token that the provider has already rotated, that is, a user's
 * grant. Writes are rare here; the hot path only reads. `secure_delete`: what is deleted is gone from the file.
 * `busy_timeout = 0`: once it is open, `patient.ts` waits instead. `cache_size`: up to 64 MiB, so that the upper pages of
 * the indexes of a million users stay in memory.
 */
const PRAGMAS = `
  pragma journal_mode = wal;
  pragma synchronous = full;
  pragma secure_delete = on;
  pragma busy_timeout = 0;
  pragma cache_size = -65536;
`
