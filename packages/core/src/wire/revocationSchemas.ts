import * as z from 'zod'
import { userIdentifierSchema } from './schemas.ts'

/** Which account to remove: by its id, or by the connection's name and the user. */
export const deleteAccountRequestSchema = z.object({
  id: z.string().min(1).optional(),
  /** The connection's name. */
  connector: z.string().min(1).optional(),
  identifier: userIdentifierSchema.optional(),
})

export const UPSTREAM_REVOCATIONS = ['revoked', 'not_offered', 'failed', 'not_applicable'] as const

export const revokedAccountSchema = z.object({
  connection_name: z.string(),
  connected_account_id: z.string(),
  /** One of `UPSTREAM_REVOCATIONS`; a later version may tell more. */
  upstream_revocation: z.string(),
})

export const revokeUserRequestSchema = z.object({ identifier: userIdentifierSchema })

export const userRevocationSchema = z.object({
  user_identifier: z.string(),
  revoked_at: z.string(),
  session_tokens: z.literal('revoked'),
  instances_deleted: z.number(),
  links_cancelled: z.number(),
  connected_accounts: z.array(revokedAccountSchema),
})

export type WireRevokedAccount = z.output<typeof revokedAccountSchema>
export type WireUserRevocation = z.output<typeof userRevocationSchema>
