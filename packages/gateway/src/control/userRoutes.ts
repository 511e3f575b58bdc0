import { revokeUserRequestSchema, type WireRevokedAccount, type WireUserRevocation } from '@latchkey/core/wire'
import { Hono } from 'hono'
import type { RevokedAccount, Revocations } from '../services.ts'
import { readBody } from './readBody.ts'

export interface UserRoutesOptions {
  readonly revocations: Pick<Revocations, 'revokeUser'>
}

/** `POST /api/v1/users:revoke`: everything of a user at once, and a receipt of what was done. */
export function userRoutes({ revocations }: UserRoutesOptions): Hono {
  return new Hono().post('/api/v1/:target{users(?::|%3[aA])revoke}', async (context) => {
    const { identifier } = await readBody(context, revokeUserRequestSchema)
    const revocation = await revocations.revokeUser(identifier)
    const receipt: WireUserRevocation = {
      user_identifier: revocation.userIdentifier,
      revoked_at: revocation.revokedAt.toISOString(),
      session_tokens: 'revoked',
      instances_deleted: revocation.instancesDeleted,
      links_cancelled: revocation.linksCancelled,
      connected_accounts: revocation.connectedAccounts.map(toWireRevokedAccount),
    }
    return context.json(receipt)
  })
}

export function toWireRevokedAccount(account: RevokedAccount): WireRevokedAccount {
  return {
    connection_name: account.connectionName,
    connected_account_id: account.accountId,
    upstream_revocation: account.upstreamRevocation,
  }
}
