import type { Kysely, Selectable } from 'kysely'
import type { PendingRevocationsTable, Schema } from '../schema.ts'
import type { PendingRevocation, PendingRevocationStore } from '../store.ts'

export function createPendingRevocationStore(db: Kysely<Schema>): PendingRevocationStore {
  return {
    async insert(pending) {
      await db
        .insertInto('pending_revocations')
        .values({
          id: pending.id,
          user_identifier: pending.userIdentifier,
          account_id: pending.accountId,
          connection_id: pending.connectionId,
          sealed_credential: pending.sealedCredential,
          due_at: pending.dueAt.getTime(),
        })
        .execute()
    },
    async ofUser(userIdentifier) {
      const rows = await db
        .selectFrom('pending_revocations')
        .selectAll()
        .where('user_identifier', '=', userIdentifier)
        .orderBy('id')
        .execute()
      return rows.map(toPending)
    },
    async due(at, limit) {
      const rows = await db
        .selectFrom('pending_revocations')
        .selectAll()
        .where('due_at', '<=', at.getTime())
        .orderBy('due_at')
        .limit(limit)
        .execute()
      return rows.map(toPending)
    },
    async postpone({ id, userIdentifier, dueAt }, until) {
      const result = await db
        .updateTable('pending_revocations')
        .set({ due_at: until.getTime() })
        .where('id', '=', id)
        .where('user_identifier', '=', userIdentifier)
        .where('due_at', '=', dueAt.getTime())
        .executeTakeFirst()
      return result.numUpdatedRows === 1n
    },
    async delete({ id, userIdentifier }) {
      const result = await db
        .deleteFrom('pending_revocations')
        .where('id', '=', id)
        .where('user_identifier', '=', userIdentifier)
        .executeTakeFirst()
      return result.numDeletedRows === 1n
    },
  }
}

function toPending(row: Selectable<PendingRevocationsTable>): PendingRevocation {
  return {
    id: row.id,
    userIdentifier: row.user_identifier,
    accountId: row.account_id,
    connectionId: row.connection_id,
    sealedCredential: row.sealed_credential,
    dueAt: new Date(row.due_at),
  }
}
