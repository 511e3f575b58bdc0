import { sql, type Kysely } from 'kysely'
import type { Schema } from '../schema.ts'
import type { AccountKey, RefreshStore } from '../store.ts'

/** By then no authorization server forgives any more; the next call of the user tries again. */
const GIVE_UP_AFTER = 10

export function createRefreshStore(db: Kysely<Schema>): RefreshStore {
  return {
    async get(accountId) {
      const row = await db
        .selectFrom('connected_accounts')
        .select(['refresh_started_at', 'refresh_failed_at', 'refresh_failures'])
        .where('id', '=', accountId)
        .executeTakeFirst()
      return {
        startedAt: toDate(row?.refresh_started_at),
        failedAt: toDate(row?.refresh_failed_at),
        failures: row?.refresh_failures ?? 0,
      }
    },
    async begin(key, at) {
      const result = await update(db, key).set({ refresh_started_at: at.getTime() }).executeTakeFirst()
      return result.numUpdatedRows === 1n
    },
    async fail(key, { at, inDoubt }) {
      await update(db, key)
        .set((eb) => ({
          refresh_failed_at: at.getTime(),
          refresh_failures: eb('refresh_failures', '+', 1),
          ...(inDoubt ? {} : { refresh_started_at: null }),
        }))
        .execute()
    },
    async inDoubt(limit) {
      const rows = await db
        .selectFrom('connected_accounts')
        .select(['id', 'connection_id', 'user_identifier', 'generation'])
        .where('refresh_started_at', 'is not', null)
        .where('refresh_failures', '<', GIVE_UP_AFTER)
        .orderBy((eb) => eb.fn.coalesce('refresh_failed_at', sql.lit(0)))
        .orderBy('refresh_started_at')
        .limit(limit)
        .execute()
      return rows.map((row) => ({
        id: row.id,
        connectionId: row.connection_id,
        userIdentifier: row.user_identifier,
        generation: row.generation,
      }))
    },
  }
}

function update(db: Kysely<Schema>, { id, userIdentifier, generation }: AccountKey) {
  return db
    .updateTable('connected_accounts')
    .where('id', '=', id)
    .where('user_identifier', '=', userIdentifier)
    .where('generation', '=', generation)
    .where('status', '=', 'ACTIVE')
}

function toDate(time: number | null | undefined): Date | undefined {
  return time === null || time === undefined ? undefined : new Date(time)
}
