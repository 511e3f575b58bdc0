/** The audit log on the wire. Ours: the hosted service has it in its dashboard. */
import * as z from 'zod'

/** One entry of the audit log: who did what, was given what, or was refused what. No secret is in it. */
export const auditEntrySchema = z.object({
  /** Grows with every entry. */
  sequence: z.number(),
  occurred_at: z.string(),
  /** The id of an API client, or `user link`, `agent`, `system`, `cli`, `anonymous`. */
  actor: z.string(),
  /** Such as `session_token.issued`, `account.status_changed`, `api.deleteConfig`, `request.denied`. */
  action: z.string(),
  /** `ok`, `refused` or `failed`. */
  outcome: z.string(),
  user_identifier: z.string().optional(),
  connection_id: z.string().optional(),
  config_id: z.string().optional(),
  instance_id: z.string().optional(),
  connected_account_id: z.string().optional(),
  /** The same as in the request log. */
  request_id: z.string().optional(),
  /** The IP address of whoever asked, where it is known. */
  address: z.string().optional(),
  details: z.record(z.string(), z.unknown()).optional(),
})

export const auditLogSchema = z.object({
  entries: z.array(auditEntrySchema).default([]),
  next_page_token: z.string().optional(),
  prev_page_token: z.string().optional(),
})

export type WireAuditEntry = z.infer<typeof auditEntrySchema>
