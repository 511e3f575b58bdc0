import type { Kysely, Selectable } from 'kysely'
import type { AuthFlowsTable, Schema } from '../schema.ts'
import type { AuthFlow, FlowStore } from '../store.ts'

export function createFlowStore(db: Kysely<Schema>): FlowStore {
  return {
    async create({ stateHash, linkId, accountId, sealedAttempt, browserHash, expiresAt }) {
      const link = await db.selectFrom('auth_links').select('id').where('id', '=', linkId).executeTakeFirst()
      if (link === undefined) return false
      await db
        .insertInto('auth_flows')
        .values({
          state_hash: stateHash,
          link_id: linkId,
          account_id: accountId,
          sealed_attempt: sealedAttempt,
          browser_hash: browserHash,
          expires_at: expiresAt.getTime(),
          consumed: 0,
        })
        .execute()
      return true
    },
    async find(stateHash) {
      const row = await db.selectFrom('auth_flows').selectAll().where('state_hash', '=', stateHash).executeTakeFirst()
      return row && toFlow(row)
    },
    async consume(stateHash) {
      const result = await db
        .updateTable('auth_flows')
        .set({ consumed: 1 })
        .where('state_hash', '=', stateHash)
        .where('consumed', '=', 0)
        .executeTakeFirst()
      return result.numUpdatedRows === 1n
    },
  }
}

function toFlow(row: Selectable<AuthFlowsTable>): AuthFlow {
  return {
    stateHash: row.state_hash,
    linkId: row.link_id,
    accountId: row.account_id,
    sealedAttempt: row.sealed_attempt,
    browserHash: row.browser_hash,
    expiresAt: new Date(row.expires_at),
    consumed: row.consumed === 1,
  }
}
