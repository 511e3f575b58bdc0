import { sql, type Kysely } from 'kysely'

/**
 * What is known of the refresh of an account's present credential, so that all processes know it: that one was begun and
 * has no outcome yet, and how often and when it failed. Writing a credential clears them.
 */
export async function refresh(db: Kysely<unknown>): Promise<void> {
  const accounts = () => db.schema.alterTable('connected_accounts')
  await accounts().addColumn('refresh_started_at', 'bigint').execute()
  await accounts().addColumn('refresh_failed_at', 'bigint').execute()
  await accounts()
    .addColumn('refresh_failures', 'integer', (column) => column.notNull().defaultTo(0))
    .execute()
  await db.schema
    .createIndex('connected_accounts_refresh')
    .on('connected_accounts')
    .column('refresh_started_at')
    .where(sql.ref('refresh_started_at'), 'is not', null)
    .execute()
}
