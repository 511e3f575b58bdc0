import type { Kysely } from 'kysely'
import type { ColumnTypes } from './columnTypes.ts'

/** Connections that were made over the API: what the configuration says of the others, it says itself. */
export async function connections(db: Kysely<unknown>, types: ColumnTypes): Promise<void> {
  await db.schema.alterTable('connections').addColumn('sealed_definition', types.bytes).execute()
  await db.schema
    .alterTable('connections')
    .addColumn('generation', 'bigint', (column) => column.notNull().defaultTo(0))
    .execute()
}
