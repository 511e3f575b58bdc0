import type { Kysely } from 'kysely'
import type { Schema } from '../schema.ts'
import type { ConnectionStore } from '../store.ts'

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
  }
}
