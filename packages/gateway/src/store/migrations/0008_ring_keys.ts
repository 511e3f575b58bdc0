import { sql, type Kysely } from 'kysely'
import type { ColumnTypes } from './columnTypes.ts'

/** Which keys the database knows, so that wrong ones are refused and old ones can be given up. */
export async function ringKeys(db: Kysely<unknown>, types: ColumnTypes): Promise<void> {
  await db.schema
    .createTable('ring_keys')
    .addColumn('ring', 'text', (column) => column.notNull())
    .addColumn('key_id', 'text', (column) => column.notNull())
    .addColumn('proof', types.bytes, (column) => column.notNull())
    .addColumn('wrapped_key', types.bytes)
    .addColumn('current_from', 'bigint', (column) => column.notNull())
    .addColumn('seen_at', 'bigint', (column) => column.notNull())
    .addColumn('retired_at', 'bigint')
    .addPrimaryKeyConstraint('ring_keys_key', ['ring', 'key_id'])
    .execute()
  await db.schema.createIndex('instances_url_key').on('instances').columns(['url_key_id', 'id']).execute()
  // The first version kept the canaries among the settings.
  await sql`
    insert into ring_keys (ring, key_id, proof, current_from, seen_at)
    select 'encryption', substr(name, 14), value, 0, 0 from settings where name like 'vault_canary/%'
  `.execute(db)
  await sql`delete from settings where name like 'vault_canary/%'`.execute(db)
}
