import { sql, type Kysely } from 'kysely'
import type { ColumnTypes } from './columnTypes.ts'

/** The first layout. Never edited once released: a change is a new migration. */
export async function initial(db: Kysely<unknown>, types: ColumnTypes): Promise<void> {
  await createConnections(db)
  await createConfigs(db)
  await createInstances(db)
  await createConnectedAccounts(db, types)
  await createAuthLinks(db)
  await createAuthFlows(db, types)
  await createOauthClients(db, types)
  await createEvents(db, types)
  await createSettings(db, types)
}

async function createConnections(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('connections')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull().unique())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .execute()
}

async function createConfigs(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('configs')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull().unique())
    .addColumn('description', 'text')
    .addColumn('mappings', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('updated_at', 'bigint', (column) => column.notNull())
    .execute()
}

async function createInstances(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('instances')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('config_id', 'text', (column) => column.notNull().references('configs.id').onDelete('cascade'))
    .addColumn('user_identifier', 'text', (column) => column.notNull())
    .addColumn('url_version', 'integer', (column) => column.notNull())
    .addColumn('url_key_id', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('updated_at', 'bigint', (column) => column.notNull())
    .addColumn('last_used_at', 'bigint')
    .addUniqueConstraint('instances_user_config', ['user_identifier', 'config_id'])
    .execute()
  await db.schema.createIndex('instances_config').on('instances').column('config_id').execute()
}

async function createConnectedAccounts(db: Kysely<unknown>, types: ColumnTypes): Promise<void> {
  await db.schema
    .createTable('connected_accounts')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('connection_id', 'text', (column) => column.notNull().references('connections.id'))
    .addColumn('user_identifier', 'text', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('generation', 'integer', (column) => column.notNull())
    .addColumn('sealed_credential', types.bytes)
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('updated_at', 'bigint', (column) => column.notNull())
    .addUniqueConstraint('connected_accounts_user_connection', ['user_identifier', 'connection_id'])
    .addCheckConstraint(
      'connected_accounts_status',
      sql`status in ('ACTIVE', 'PENDING_AUTH', 'PENDING_VERIFICATION', 'EXPIRED', 'DISCONNECTED')`,
    )
    .execute()
}

async function createAuthLinks(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('auth_links')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('account_id', 'text', (column) =>
      column.notNull().references('connected_accounts.id').onDelete('cascade'),
    )
    .addColumn('token_hash', 'text', (column) => column.notNull().unique())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('expires_at', 'bigint', (column) => column.notNull())
    .addColumn('used_at', 'bigint')
    .execute()
  await db.schema.createIndex('auth_links_account').on('auth_links').column('account_id').execute()
  await db.schema.createIndex('auth_links_expiry').on('auth_links').column('expires_at').execute()
}

async function createAuthFlows(db: Kysely<unknown>, types: ColumnTypes): Promise<void> {
  await db.schema
    .createTable('auth_flows')
    .addColumn('state_hash', 'text', (column) => column.primaryKey())
    .addColumn('link_id', 'text', (column) => column.notNull().references('auth_links.id').onDelete('cascade'))
    .addColumn('account_id', 'text', (column) =>
      column.notNull().references('connected_accounts.id').onDelete('cascade'),
    )
    .addColumn('sealed_attempt', types.bytes, (column) => column.notNull())
    .addColumn('browser_hash', 'text', (column) => column.notNull())
    .addColumn('expires_at', 'bigint', (column) => column.notNull())
    .addColumn('consumed', 'integer', (column) => column.notNull())
    .execute()
  await db.schema.createIndex('auth_flows_link').on('auth_flows').column('link_id').execute()
  await db.schema.createIndex('auth_flows_account').on('auth_flows').column('account_id').execute()
  await db.schema.createIndex('auth_flows_expiry').on('auth_flows').column('expires_at').execute()
}

async function createOauthClients(db: Kysely<unknown>, types: ColumnTypes): Promise<void> {
  await db.schema
    .createTable('oauth_clients')
    .addColumn('issuer', 'text', (column) => column.notNull())
    .addColumn('redirect_uri', 'text', (column) => column.notNull())
    .addColumn('client_id', 'text', (column) => column.notNull())
    .addColumn('sealed_client_secret', types.bytes)
    .addColumn('metadata', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('oauth_clients_key', ['issuer', 'redirect_uri'])
    .execute()
}

async function createEvents(db: Kysely<unknown>, types: ColumnTypes): Promise<void> {
  await db.schema
    .createTable('events')
    .addColumn('sequence', types.sequence, (column) => types.asSequence(column))
    .addColumn('id', 'text', (column) => column.notNull().unique())
    .addColumn('account_id', 'text', (column) => column.notNull())
    .addColumn('user_identifier', 'text', (column) => column.notNull())
    .addColumn('connection_id', 'text', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('old_status', 'text', (column) => column.notNull())
    .addColumn('occurred_at', 'bigint', (column) => column.notNull())
    .execute()
  await db.schema.createIndex('events_user').on('events').columns(['user_identifier', 'sequence']).execute()
}

async function createSettings(db: Kysely<unknown>, types: ColumnTypes): Promise<void> {
  await db.schema
    .createTable('settings')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('value', types.bytes, (column) => column.notNull())
    .execute()
}
