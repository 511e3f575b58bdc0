import type { Kysely, Selectable } from 'kysely'
import type { ConnectionsTable, Schema } from '../schema.ts'
import type { ConnectionStore, StoredConnection } from '../store.ts'

export function createConnectionStore(db: Kysely<Schema>): ConnectionStore {
  return {
    async ensure({ id, name, createdAt }) {
      await db
        .insertInto('connections')
        .values({ id, name, created_at: createdAt.getTime() })
        .onConflict((conflict) => conflict.column('name').doNothing())
        .execute()
      const row = await db.selectFrom('connections').select('id').where('name', '=', name).executeTakeFirstOrThrow()
      return row.id
    },
    async get(id) {
      const row = await db.selectFrom('connections').selectAll().where('id', '=', id).executeTakeFirst()
      return row && toStored(row)
    },
    async listDefined() {
      const rows = await db
        .selectFrom('connections')
        .selectAll()
        .where('sealed_definition', 'is not', null)
        .orderBy('name')
        .execute()
      return rows.flatMap((row) => {
        const { sealedDefinition, ...rest } = toStored(row)
        return sealedDefinition === undefined ? [] : [{ ...rest, sealedDefinition }]
      })
    },
    async define({ id, generation }, sealedDefinition) {
      const result = await db
        .updateTable('connections')
        .set({ sealed_definition: sealedDefinition ?? null, generation: generation + 1 })
        .where('id', '=', id)
        .where('generation', '=', generation)
        .executeTakeFirst()
      return result.numUpdatedRows > 0
    },
  }
}

function toStored({ id, name, generation, sealed_definition: sealed }: Selectable<ConnectionsTable>): StoredConnection {
  return { id, name, generation, sealedDefinition: sealed ?? undefined }
}
