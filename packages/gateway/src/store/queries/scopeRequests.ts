import type { Kysely } from 'kysely'
import type { Schema } from '../schema.ts'
import type { ScopeRequestStore } from '../store.ts'

export function createScopeRequestStore(db: Kysely<Schema>): ScopeRequestStore {
  return {
    async get(accountId) {
      const row = await db
        .selectFrom('scope_requests')
        .selectAll()
        .where('account_id', '=', accountId)
        .executeTakeFirst()
      return (
        row && {
          accountId: row.account_id,
          userIdentifier: row.user_identifier,
          scope: row.scope,
          isOpen: row.is_open === 1,
          consents: row.consents,
          requestedAt: new Date(row.requested_at),
        }
      )
    },
    async put({ accountId, userIdentifier, scope, isOpen, consents, requestedAt }) {
      const columns = { scope, is_open: isOpen ? 1 : 0, consents, requested_at: requestedAt.getTime() }
      await db
        .insertInto('scope_requests')
        .values({ account_id: accountId, user_identifier: userIdentifier, ...columns })
        .onConflict((conflict) =>
          conflict
            .column('account_id')
            .doUpdateSet(columns)
            .where('scope_requests.user_identifier', '=', userIdentifier),
        )
        .execute()
    },
  }
}
