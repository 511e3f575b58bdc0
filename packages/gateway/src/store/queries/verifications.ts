import type { Kysely, Selectable } from 'kysely'
import type { PendingVerificationsTable, Schema } from '../schema.ts'
import type { PendingVerification, VerificationStore } from '../store.ts'

export function createVerificationStore(db: Kysely<Schema>): VerificationStore {
  return {
    async insert(pending) {
      await db
        .insertInto('pending_verifications')
        .values({
          request_hash: pending.requestHash,
          account_id: pending.accountId,
          user_identifier: pending.userIdentifier,
          client_id: pending.clientId ?? null,
          previous_status: pending.previousStatus,
          sealed_credential: pending.sealedCredential,
          expires_at: pending.expiresAt.getTime(),
        })
        .execute()
    },
    async find(requestHash) {
      const row = await db
        .selectFrom('pending_verifications')
        .selectAll()
        .where('request_hash', '=', requestHash)
        .executeTakeFirst()
      return row && toPending(row)
    },
    async ofAccount(accountId, userIdentifier) {
      const rows = await db
        .selectFrom('pending_verifications')
        .selectAll()
        .where('account_id', '=', accountId)
        .where('user_identifier', '=', userIdentifier)
        .orderBy('expires_at')
        .execute()
      return rows.map(toPending)
    },
    async expired(at, limit) {
      const rows = await db
        .selectFrom('pending_verifications')
        .selectAll()
        .where('expires_at', '<=', at.getTime())
        .orderBy('expires_at')
        .limit(limit)
        .execute()
      return rows.map(toPending)
    },
    async take(requestHash, userIdentifier) {
      const result = await db
        .deleteFrom('pending_verifications')
        .where('request_hash', '=', requestHash)
        .where('user_identifier', '=', userIdentifier)
        .executeTakeFirst()
      return result.numDeletedRows === 1n
    },
  }
}

function toPending(row: Selectable<PendingVerificationsTable>): PendingVerification {
  return {
    requestHash: row.request_hash,
    accountId: row.account_id,
    userIdentifier: row.user_identifier,
    clientId: row.client_id ?? undefined,
    previousStatus: row.previous_status,
    sealedCredential: row.sealed_credential,
    expiresAt: new Date(row.expires_at),
  }
}
