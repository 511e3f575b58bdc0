import type { Kysely } from 'kysely'
import type { ColumnTypes } from './columnTypes.ts'

/** What has to be known to end what was given out before, and to tell everybody. */
export async function revocations(db: Kysely<unknown>, types: ColumnTypes): Promise<void> {
  await db.schema
    .createTable('changes')
    .addColumn('sequence', types.sequence, (column) => types.asSequence(column))
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('subject', 'text', (column) => column.notNull())
    .addColumn('occurred_at', 'bigint', (column) => column.notNull())
    .execute()
  await db.schema.createIndex('changes_time').on('changes').column('occurred_at').execute()
  await db.schema
    .createTable('revocations')
    .addColumn('user_identifier', 'text', (column) => column.notNull())
    .addColumn('config_id', 'text', (column) => column.notNull())
    .addColumn('epoch', 'integer', (column) => column.notNull())
    .addColumn('revoked_at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('revocations_key', ['user_identifier', 'config_id'])
    .execute()
  await db.schema
    .createIndex('connected_accounts_connection')
    .on('connected_accounts')
    .columns(['connection_id', 'id'])
    .execute()
}
