import type { Kysely } from 'kysely'

/** What an upstream wants of an account beyond what its user has granted. */
export async function scopeRequests(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('scope_requests')
    .addColumn('account_id', 'text', (column) =>
      column.primaryKey().references('connected_accounts.id').onDelete('cascade'),
    )
    .addColumn('user_identifier', 'text', (column) => column.notNull())
    .addColumn('scope', 'text', (column) => column.notNull())
    .addColumn('is_open', 'integer', (column) => column.notNull())
    .addColumn('consents', 'integer', (column) => column.notNull())
    .addColumn('requested_at', 'bigint', (column) => column.notNull())
    .execute()
}
