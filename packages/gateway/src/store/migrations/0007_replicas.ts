import { sql, type Kysely } from 'kysely'
import type { ColumnTypes } from './columnTypes.ts'

/** What several processes on one database must know of one another. */
export async function replicas(db: Kysely<unknown>, types: ColumnTypes): Promise<void> {
  await addRefreshes(db)
  for (const log of ['events', 'changes']) {
    for (const statement of types.wakeUpAfterInsert(log)) await statement.execute(db)
  }
}

/**
 * What is known of the refresh of an account's present credential: that one was begun and has no outcome yet, and how
 * often and when it failed. Writing a credential clears it.
 */
async function addRefreshes(db: Kysely<unknown>): Promise<void> {
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
