import type { Kysely } from 'kysely'
import type { ColumnTypes } from './columnTypes.ts'

/** What was answered to a request that may be sent again. */
export async function idempotency(db: Kysely<unknown>, types: ColumnTypes): Promise<void> {
  await db.schema
    .createTable('idempotency_keys')
    .addColumn('key_hash', 'text', (column) => column.primaryKey())
    .addColumn('claim', 'text', (column) => column.notNull())
    .addColumn('claimed_at', 'bigint', (column) => column.notNull())
    .addColumn('sealed_answer', types.bytes)
    .execute()
  // To prune by.
  await db.schema.createIndex('idempotency_keys_time').on('idempotency_keys').column('claimed_at').execute()
}
