import type { Kysely, Selectable } from 'kysely'
import type { AuthLinksTable, Schema } from '../schema.ts'
import type { AuthLink, LinkStore } from '../store.ts'

export function createLinkStore(db: Kysely<Schema>): LinkStore {
  return {
    async insert({ id, accountId, tokenHash, createdAt, expiresAt, clientId, verifyUrl, sealedState }) {
      await db
        .insertInto('auth_links')
        .values({
          id,
          account_id: accountId,
          token_hash: tokenHash,
          created_at: createdAt.getTime(),
          expires_at: expiresAt.getTime(),
          used_at: null,
          client_id: clientId ?? null,
          verify_url: verifyUrl ?? null,
          sealed_state: sealedState ?? null,
        })
        .execute()
    },
    async get(id) {
      const row = await db.selectFrom('auth_links').selectAll().where('id', '=', id).executeTakeFirst()
      return row && toLink(row)
    },
    async findByTokenHash(tokenHash) {
      const row = await db.selectFrom('auth_links').selectAll().where('token_hash', '=', tokenHash).executeTakeFirst()
      return row && toLink(row)
    },
    async consume(id, at) {
      const result = await db
        .updateTable('auth_links')
        .set({ used_at: at.getTime() })
        .where('id', '=', id)
        .where('used_at', 'is', null)
        .where('expires_at', '>', at.getTime())
        .executeTakeFirst()
      return result.numUpdatedRows === 1n
    },
    async countOpen(userIdentifier, at) {
      const row = await db
        .selectFrom('auth_links')
        .innerJoin('connected_accounts', 'connected_accounts.id', 'auth_links.account_id')
        .select((eb) => eb.fn.countAll().as('count'))
        .where('connected_accounts.user_identifier', '=', userIdentifier)
        .where('auth_links.used_at', 'is', null)
        .where('auth_links.expires_at', '>', at.getTime())
        .executeTakeFirstOrThrow()
      return Number(row.count)
    },
  }
}

function toLink(row: Selectable<AuthLinksTable>): AuthLink {
  return {
    id: row.id,
    accountId: row.account_id,
    tokenHash: row.token_hash,
    createdAt: new Date(row.created_at),
    expiresAt: new Date(row.expires_at),
    usedAt: row.used_at === null ? undefined : new Date(row.used_at),
    clientId: row.client_id ?? undefined,
    verifyUrl: row.verify_url ?? undefined,
    sealedState: row.sealed_state ?? undefined,
  }
}
