import type { Kysely } from 'kysely'
import type { Schema } from '../schema.ts'
import type { IdempotencyStore } from '../store.ts'

export function createIdempotencyStore(db: Kysely<Schema>): IdempotencyStore {
  return {
    async claim({ keyHash, claim, at, abandonedBefore }) {
      const result = await db
        .insertInto('idempotency_keys')
        .values({ key_hash: keyHash, claim, claimed_at: at.getTime(), sealed_answer: null })
        .onConflict((conflict) =>
          conflict
            .column('key_hash')
            .doUpdateSet({ claim, claimed_at: at.getTime() })
            .where('idempotency_keys.sealed_answer', 'is', null)
            .where('idempotency_keys.claimed_at', '<', abandonedBefore.getTime()),
        )
        .executeTakeFirst()
      if (result.numInsertedOrUpdatedRows === 1n) return 'claimed'
      const row = await db
        .selectFrom('idempotency_keys')
        .select('sealed_answer')
        .where('key_hash', '=', keyHash)
        .executeTakeFirst()
      return row?.sealed_answer ?? 'in_progress'
    },
    async save({ keyHash, claim }, sealedAnswer) {
      const result = await db
        .updateTable('idempotency_keys')
        .set({ sealed_answer: sealedAnswer })
        .where('key_hash', '=', keyHash)
        .where('claim', '=', claim)
        .executeTakeFirst()
      return result.numUpdatedRows === 1n
    },
    async release({ keyHash, claim }) {
      await db
        .deleteFrom('idempotency_keys')
        .where('key_hash', '=', keyHash)
        .where('claim', '=', claim)
        .where('sealed_answer', 'is', null)
        .execute()
    },
  }
}
