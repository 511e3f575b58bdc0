import type { Kysely, Selectable } from 'kysely'
import type { RingKeysTable, Schema } from '../schema.ts'
import type { RingKey, RingKeyStore } from '../store.ts'

export function createRingKeyStore(db: Kysely<Schema>): RingKeyStore {
  return {
    async list(ring) {
      const rows = await db
        .selectFrom('ring_keys')
        .selectAll()
        .where('ring', '=', ring)
        .orderBy('current_from')
        .orderBy('key_id')
        .execute()
      return rows.map(toRingKey)
    },
    async insert(key) {
      const result = await db
        .insertInto('ring_keys')
        .values(toRow(key))
        .onConflict((conflict) => conflict.columns(['ring', 'key_id']).doNothing())
        .executeTakeFirst()
      return result.numInsertedOrUpdatedRows === 1n
    },
    async see({ ring, keyId }, at) {
      await db
        .updateTable('ring_keys')
        .set({ seen_at: at.getTime(), retired_at: null })
        .where('ring', '=', ring)
        .where('key_id', '=', keyId)
        .execute()
    },
    async retire({ ring, keyId, seenAt }, at) {
      const result = await db
        .updateTable('ring_keys')
        .set({ retired_at: at.getTime() })
        .where('ring', '=', ring)
        .where('key_id', '=', keyId)
        .where('seen_at', '=', seenAt.getTime())
        .where('retired_at', 'is', null)
        .executeTakeFirst()
      return result.numUpdatedRows === 1n
    },
  }
}

function toRow(key: Omit<RingKey, 'retiredAt'>): RingKeysTable {
  return {
    ring: key.ring,
    key_id: key.keyId,
    proof: key.proof,
    wrapped_key: key.wrappedKey ?? null,
    current_from: key.currentFrom.getTime(),
    seen_at: key.seenAt.getTime(),
    retired_at: null,
  }
}

function toRingKey(row: Selectable<RingKeysTable>): RingKey {
  return {
    ring: row.ring,
    keyId: row.key_id,
    proof: row.proof,
    wrappedKey: row.wrapped_key ?? undefined,
    currentFrom: new Date(row.current_from),
    seenAt: new Date(row.seen_at),
    retiredAt: row.retired_at === null ? undefined : new Date(row.retired_at),
  }
}
