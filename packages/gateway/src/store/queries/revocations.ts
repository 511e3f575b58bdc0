import type { Kysely } from 'kysely'
import type { Schema } from '../schema.ts'
import type { RevocationStore } from '../store.ts'

/** Stands for all configs: no config has this id. */
const ALL = ''

export function createRevocationStore(db: Kysely<Schema>): RevocationStore {
  return {
    async epoch(userIdentifier, configId) {
      const rows = await db
        .selectFrom('revocations')
        .select('epoch')
        .where('user_identifier', '=', userIdentifier)
        .where('config_id', 'in', [ALL, configId])
        .execute()
      return rows.reduce((sum, { epoch }) => sum + epoch, 0)
    },
    async raise(userIdentifier, configId = ALL, at) {
      await db
        .insertInto('revocations')
        .values({ user_identifier: userIdentifier, config_id: configId, epoch: 1, revoked_at: at.getTime() })
        .onConflict((conflict) =>
          conflict.columns(['user_identifier', 'config_id']).doUpdateSet((eb) => ({
            epoch: eb('revocations.epoch', '+', 1),
            revoked_at: at.getTime(),
          })),
        )
        .execute()
    },
  }
}
