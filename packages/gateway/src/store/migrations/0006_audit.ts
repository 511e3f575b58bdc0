import type { Kysely } from 'kysely'
import type { ColumnTypes } from './columnTypes.ts'

/** Who did what. No column refers to another table: what is gone stays in the log. */
export async function audit(db: Kysely<unknown>, types: ColumnTypes): Promise<void> {
  await db.schema
    .createTable('audit_log')
    .addColumn('sequence', types.sequence, (column) => types.asSequence(column))
    .addColumn('occurred_at', 'bigint', (column) => column.notNull())
    .addColumn('actor', 'text', (column) => column.notNull())
    .addColumn('action', 'text', (column) => column.notNull())
    .addColumn('outcome', 'text', (column) => column.notNull())
    .addColumn('user_identifier', 'text')
    .addColumn('connection_id', 'text')
    .addColumn('config_id', 'text')
    .addColumn('instance_id', 'text')
    .addColumn('account_id', 'text')
    .addColumn('request_id', 'text')
    .addColumn('address', 'text')
    .addColumn('details', 'text')
    .execute()
  await db.schema.createIndex('audit_log_user').on('audit_log').columns(['user_identifier', 'sequence']).execute()
  await db.schema.createIndex('audit_log_action').on('audit_log').columns(['action', 'sequence']).execute()
  await db.schema.createIndex('audit_log_time').on('audit_log').column('occurred_at').execute()
}
