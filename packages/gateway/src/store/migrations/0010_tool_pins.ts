import type { Kysely } from 'kysely'

/** The definitions of tools that somebody has approved, or has to look at, and how each config names its tools. */
export async function toolPins(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('pinned_connections')
    .addColumn('connection_id', 'text', (column) =>
      column.primaryKey().references('connections.id').onDelete('cascade'),
    )
    .addColumn('pinned_at', 'bigint', (column) => column.notNull())
    .execute()
  await db.schema
    .createTable('tool_pins')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('connection_id', 'text', (column) => column.notNull().references('connections.id').onDelete('cascade'))
    .addColumn('tool', 'text', (column) => column.notNull())
    .addColumn('digest', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('definition', 'text')
    .addColumn('seen_at', 'bigint', (column) => column.notNull())
    .addColumn('decided_at', 'bigint')
    .execute()
  await db.schema.createIndex('tool_pins_connection').on('tool_pins').columns(['connection_id', 'state']).execute()
  await db.schema.alterTable('configs').addColumn('tool_names', 'text').execute()
}
