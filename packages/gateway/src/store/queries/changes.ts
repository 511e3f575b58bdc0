import type { Kysely, Selectable } from 'kysely'
import type { Change } from '../../domain.ts'
import type { ChangesTable, Schema } from '../schema.ts'
import type { ChangeStore } from '../store.ts'

export function createChangeStore(db: Kysely<Schema>): ChangeStore {
  return {
    async append({ kind, subject, occurredAt }) {
      const row = await db
        .insertInto('changes')
        .values({ kind, subject, occurred_at: occurredAt.getTime() })
        .returningAll()
        .executeTakeFirstOrThrow()
      return toChange(row)
    },
    async after(sequence, limit) {
      const rows = await db
        .selectFrom('changes')
        .selectAll()
        .where('sequence', '>', sequence)
        .orderBy('sequence')
        .limit(limit)
        .execute()
      return rows.map(toChange)
    },
    async latestSequence() {
      const row = await db
        .selectFrom('changes')
        .select((eb) => eb.fn.max('sequence').as('latest'))
        .executeTakeFirstOrThrow()
      return row.latest ?? 0
    },
    async forget(before) {
      await db.deleteFrom('changes').where('occurred_at', '<', before.getTime()).execute()
    },
  }
}

function toChange(row: Selectable<ChangesTable>): Change {
  return { sequence: row.sequence, kind: row.kind, subject: row.subject, occurredAt: new Date(row.occurred_at) }
}
