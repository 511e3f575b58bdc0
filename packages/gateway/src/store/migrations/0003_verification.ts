import type { Kysely } from 'kysely'
import type { ColumnTypes } from './columnTypes.ts'

/** What a link has to say to the app after the consent, and the credentials that wait for the app's answer. */
export async function verification(db: Kysely<unknown>, types: ColumnTypes): Promise<void> {
  await db.schema.alterTable('auth_links').addColumn('client_id', 'text').execute()
  await db.schema.alterTable('auth_links').addColumn('verify_url', 'text').execute()
  await db.schema.alterTable('auth_links').addColumn('sealed_state', types.bytes).execute()
  await db.schema
    .createTable('pending_verifications')
    .addColumn('request_hash', 'text', (column) => column.primaryKey())
    .addColumn('account_id', 'text', (column) =>
      column.notNull().references('connected_accounts.id').onDelete('cascade'),
    )
    .addColumn('user_identifier', 'text', (column) => column.notNull())
    .addColumn('client_id', 'text')
    .addColumn('previous_status', 'text', (column) => column.notNull())
    .addColumn('sealed_credential', types.bytes, (column) => column.notNull())
    .addColumn('expires_at', 'bigint', (column) => column.notNull())
    .execute()
  await db.schema
    .createIndex('pending_verifications_account')
    .on('pending_verifications')
    .column('account_id')
    .execute()
  await db.schema.createIndex('pending_verifications_expiry').on('pending_verifications').column('expires_at').execute()
}
