import type { Kysely } from 'kysely'
import { Migrator, type Migration } from 'kysely/migration'
import { GatewayError } from '../../errors.ts'
import type { Schema } from '../schema.ts'
import { initial } from './0001_initial.ts'
import { revocations } from './0002_revocations.ts'
import { verification } from './0003_verification.ts'
import { replicas } from './0007_replicas.ts'
import { ringKeys } from './0008_ring_keys.ts'
import { pendingRevocations } from './0009_pending_revocations.ts'
import { toolPins } from './0010_tool_pins.ts'
import { scopeRequests } from './0012_scope_requests.ts'
import { connections } from './0011_connections.ts'
import { webhooks } from './0004_webhooks.ts'
import { idempotency } from './0005_idempotency.ts'
import { audit } from './0006_audit.ts'
import type { ColumnTypes } from './columnTypes.ts'

/** Brings the database to the layout of this version. Run again, it does nothing. */
export async function migrate(db: Kysely<Schema>, types: ColumnTypes): Promise<void> {
  const provider = { getMigrations: () => Promise.resolve(migrations(types)) }
  const { error } = await new Migrator({ db, provider }).migrateToLatest()
  if (error === undefined) return
  throw new GatewayError(
    'configuration',
    'The database could not be brought to the layout of this version. If a newer version has used it, run that one.',
    { cause: error },
  )
}

/** In the order of their names. They are code, so that a bundled gateway carries them. */
function migrations(types: ColumnTypes): Record<string, Migration> {
  const steps = {
    '0001_initial': initial,
    '0002_revocations': revocations,
    '0003_verification': verification,
    '0004_webhooks': webhooks,
    '0005_idempotency': idempotency,
    '0006_audit': audit,
    '0007_replicas': replicas,
    '0008_ring_keys': ringKeys,
    '0009_pending_revocations': pendingRevocations,
    '0010_tool_pins': toolPins,
    '0011_connections': connections,
    '0012_scope_requests': scopeRequests,
  }
  return Object.fromEntries(
    Object.entries(steps).map(([name, step]) => [name, { up: (db) => step(db as Kysely<unknown>, types) }]),
  )
}
