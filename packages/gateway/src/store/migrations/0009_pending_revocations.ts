import type { Kysely } from 'kysely'
import type { ColumnTypes } from './columnTypes.ts'

/** The credentials of removed accounts, until their authorization servers have been told. */
export async function pendingRevocations(db: Kysely<unknown>, types: ColumnTypes): Promise<void> {
  await db.schema
    .createTable('pending_revocations')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('user_identifier', 'text', (column) => column.notNull())
    .addColumn('account_id', 'text', (column) => column.notNull())
    .addColumn('connection_id', 'text', (column) => column.notNull())
    .addColumn('sealed_credential', types.bytes, (column) => column.notNull())
    .addColumn('due_at', 'bigint', (column) => column.notNull())
    .execute()
  await db.schema.createIndex('pending_revocations_user').on('pending_revocations').column('user_identifier').execute()
  await db.schema.createIndex('pending_revocations_due').on('pending_revocations').column('due_at').execute()
}
