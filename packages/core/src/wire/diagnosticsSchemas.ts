/** What a gateway finds out about itself and about one user, for whoever operates it. Ours. Nothing in it is secret. */
import * as z from 'zod'
import { webhookSchema } from './webhookSchemas.ts'

const diagnosedKeySchema = z.object({
  /** `encryption` or `signing`. */
  ring: z.string(),
  key_id: z.string(),
  /** What is new is made with it. */
  is_current: z.boolean(),
  /** Whether this gateway has the key. */
  is_available: z.boolean(),
  /** Since when nothing needs it any more. */
  retired_at: z.string().optional(),
})

const diagnosedToolSchema = z.object({
  /** As the upstream names it. */
  upstream_name: z.string(),
  /** As the MCP endpoint lists it; absent for one that the upstream does not have. */
  name: z.string().optional(),
  /** `missing`: the upstream does not have it; `renamed`: its name is not safe; `refused`: it is too large to be listed. */
  problem: z.enum(['missing', 'renamed', 'refused']).optional(),
  /** Why: `unsafe_characters`, `too_long`, `ambiguous`; of a refused one `too_deep`, `too_many_schemas`, `too_long`. */
  reason: z.string().optional(),
  /** Of a missing one: what was probably meant. */
  suggestion: z.string().optional(),
})

const diagnosedConnectionSchema = z.object({
  connection_name: z.string(),
  connected_account_status: z.string(),
  /** Of the account; absent while there is none. */
  status_changed_at: z.string().optional(),
  credential: z
    .object({
      type: z.string(),
      expires_at: z.string().optional(),
      /** Whether the gateway can get a new one without the user. */
      is_renewable: z.boolean(),
    })
    .optional(),
  /** Of an account whose refresh fails. */
  refresh: z.object({ failures: z.number(), failed_at: z.string() }).optional(),
  /** Of an ACTIVE account: why its tools cannot be listed: `authorization_required`, `unreachable`, `invalid_response`. */
  unavailable: z.object({ reason: z.string(), message: z.string() }).optional(),
  /** Of an ACTIVE account: those that the config allows. */
  tools: z.array(diagnosedToolSchema).default([]),
})

export const diagnosticsSchema = z.object({
  /** The gateway's clock (RFC 3339). */
  time: z.string(),
  version: z.string(),
  public_url: z.string(),
  /** `on` or `off`. */
  user_verification: z.string(),
  /** `sqlite` or `postgres`. */
  database: z.string(),
  /** As at `GET /ready`: `ok` or `failed`. */
  checks: z.record(z.string(), z.string()).default({}),
  keys: z.array(diagnosedKeySchema).default([]),
  webhooks: z.array(webhookSchema).default([]),
  /** The configured connections. */
  connection_names: z.array(z.string()).default([]),
  /** There only where a user was named. */
  user: z
    .object({
      user_identifier: z.string(),
      /** When the status of one of the user's accounts changed last, as far as that is kept. */
      last_event_at: z.string().optional(),
      /** Those that the user has an instance of, or the one that was named. */
      configs: z
        .array(
          z.object({
            config_name: z.string(),
            has_instance: z.boolean(),
            connections: z.array(diagnosedConnectionSchema).default([]),
          }),
        )
        .default([]),
    })
    .optional(),
})

export type WireDiagnostics = z.infer<typeof diagnosticsSchema>
export type WireDiagnosedConnection = z.infer<typeof diagnosedConnectionSchema>
export type WireDiagnosedTool = z.infer<typeof diagnosedToolSchema>
