/**
 * The control-plane API on the wire: Scalekit's AgentKit MCP API, and what our gateway adds to it. This folder is the
 * only one that knows the snake_case names. Unknown fields and unknown statuses are tolerated.
 */
import * as z from 'zod'

/** The app's own id of its user: 1–255 characters, no control characters, well-formed Unicode in NFC. */
export const userIdentifierSchema = z
  .string({ error: ({ input }) => (input === undefined ? 'is missing' : 'is not a string') })
  .min(1, 'is empty')
  .max(255, 'is longer than 255 characters')
  // eslint-disable-next-line no-control-regex -- refusing control characters is the point
  .refine((value) => !/[\u0000-\u001f\u007f-\u009f]/.test(value), 'contains control characters')
  .refine((value) => value.isWellFormed() && value === value.normalize('NFC'), 'is not well-formed Unicode in NFC')

export const connectionToolMappingSchema = z.object({
  connection_id: z.string().optional(),
  connection_name: z.string(),
  provider: z.string().optional(),
  /** Absent or empty: every tool of the connection. */
  tools: z.array(z.string()).optional(),
})

/** Ours: how the endpoint names tools. Default: plain for one connection, prefixed (`connection__tool`) for several. */
const toolNamesSchema = z.enum(['plain', 'prefixed'])

export const configRequestSchema = z.object({
  name: z.string().min(1).max(100),
  description: z.string().optional(),
  tool_names: toolNamesSchema.optional(),
  connection_tool_mappings: z.array(connectionToolMappingSchema).min(1),
})

/** Replaces both; without a description it has none. */
export const configUpdateSchema = z.object({
  /** Cannot be changed: if it is given, it is the one that the config has. */
  name: z.string().optional(),
  description: z.string().optional(),
  /** Without it they stay as they are. */
  tool_names: toolNamesSchema.optional(),
  connection_tool_mappings: z.array(connectionToolMappingSchema).min(1),
})

export const configSchema = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string().optional(),
  mcp_server_url: z.string().optional(),
  tool_names: z.string().optional(),
  connection_tool_mappings: z.array(connectionToolMappingSchema).default([]),
})

export const configListSchema = z.object({
  configs: z.array(configSchema).default([]),
  next_page_token: z.string().optional(),
  prev_page_token: z.string().optional(),
  total_size: z.number().optional(),
})

export const instanceSchema = z.object({
  id: z.string(),
  name: z.string().optional(),
  user_identifier: z.string(),
  config: configSchema.partial().optional(),
  /** The pre-authenticated MCP URL. It is a credential. */
  url: z.string().optional(),
  last_used_at: z.string().optional(),
  updated_at: z.string().optional(),
})

/** Changes what is given and leaves the rest. */
export const instanceUpdateSchema = z.object({
  name: z.string().min(1).max(100).optional(),
  /** Moves the instance to another config: the URL stays, the connections and tools are the other config's. */
  config_name: z.string().min(1).max(100).optional(),
})

export const instanceListSchema = z.object({
  instances: z.array(instanceSchema).default([]),
  next_page_token: z.string().optional(),
  prev_page_token: z.string().optional(),
  total_size: z.number().optional(),
})

export const connectionAuthStateSchema = z.object({
  connection_id: z.string(),
  connection_name: z.string(),
  provider: z.string().optional(),
  connected_account_id: z.string().optional(),
  connected_account_status: z.string(),
  authentication_link: z.string().optional(),
  /** Ours: when the link stops working (RFC 3339). */
  authentication_link_expires_at: z.string().optional(),
})

export const authStateSchema = z.object({ connections: z.array(connectionAuthStateSchema).default([]) })

/**
 * As it is read. The hosted service leaves out what is empty (proto3 as JSON); which connection it is must be said.
 */
const readConnectionAuthStateSchema = connectionAuthStateSchema
  .partial()
  .refine(({ connection_id: id, connection_name: name }) => Boolean(id || name), 'names no connection')

export const readAuthStateSchema = z.object({ connections: z.array(readConnectionAuthStateSchema).default([]) })

export const getAuthStateRequestSchema = z.object({ include_auth_links: z.boolean().optional() })

export const connectedAccountsRequestSchema = z.object({
  identifier: userIdentifierSchema,
  include_auth_link: z.boolean().optional(),
})

export const connectedAccountsSchema = z.object({ connected_accounts: z.array(connectionAuthStateSchema).default([]) })

/** As it is read. */
export const readConnectedAccountsSchema = z.object({
  connected_accounts: z.array(readConnectionAuthStateSchema).default([]),
})

/** An account as the list of all of them has it. */
export const connectedAccountSchema = z.object({
  id: z.string(),
  identifier: z.string(),
  connection_id: z.string(),
  connection_name: z.string(),
  /** The connection's name again, as the hosted service calls it. */
  connector: z.string().optional(),
  provider: z.string().optional(),
  authorization_type: z.string().optional(),
  status: z.string(),
  created_at: z.string().optional(),
  updated_at: z.string().optional(),
})

export const connectedAccountListSchema = z.object({
  connected_accounts: z.array(connectedAccountSchema).default([]),
  next_page_token: z.string().optional(),
  prev_page_token: z.string().optional(),
  total_size: z.number().optional(),
})

/** As it is read. The hosted service names the connection `connector` alone. */
export const readConnectedAccountListSchema = connectedAccountListSchema.extend({
  connected_accounts: z.array(connectedAccountSchema.partial()).default([]),
})

/** A protobuf duration: whole seconds followed by `s`. */
export const durationSchema = z.string().regex(/^\d{1,9}s$/, 'is not a duration such as "3600s"')

export const sessionTokenRequestSchema = z.object({
  identifier: userIdentifierSchema,
  /** 60 s to 24 h; 1 h by default. */
  expiry: durationSchema.optional(),
  /** Ours: narrows the token to these tools, named as the endpoint lists them. */
  tools: z.array(z.string()).optional(),
  /** Ours: while some accounts are not ACTIVE, make a token for those that are, instead of none. */
  allow_partial: z.boolean().optional(),
})

export const sessionTokenSchema = z.object({ token: z.string(), expires_at: z.string() })

/** As it is read. Without an end it is taken for one that ends soon. */
export const readSessionTokenSchema = z.object({ token: z.string().min(1), expires_at: z.string().optional() })

export const ensureInstanceRequestSchema = z.object({
  config_name: z.string().min(1).max(100),
  user_identifier: userIdentifierSchema,
  name: z.string().max(100).optional(),
  /** Ours: answer the auth state too, without links. Saves the second round trip. */
  include_auth_state: z.boolean().optional(),
  /** Ours: mint a session token too, if every connection is ACTIVE. Saves the third. */
  include_session_token: z.boolean().optional(),
  /** Ours, with `include_session_token`: as in `sessionTokenRequestSchema`. */
  session_token_expiry: durationSchema.optional(),
})

export const ensuredInstanceSchema = z.object({
  instance: instanceSchema,
  /** Ours. */
  auth_state: authStateSchema.optional(),
  /** Ours; absent while a connection is not ACTIVE. */
  session_token: sessionTokenSchema.optional(),
  /** Ours: what the endpoint answers to `server/discover`, so that a client need not ask. */
  discover_result: z.record(z.string(), z.unknown()).optional(),
})

export const accessTokenResponseSchema = z.object({
  access_token: z.string().min(1),
  expires_in: z.number().positive(),
  token_type: z.string(),
})

export const errorBodySchema = z.object({
  code: z.union([z.string(), z.number()]).optional(),
  message: z.string(),
  details: z.array(z.unknown()).optional(),
})

/** As some other providers answer. */
export const nestedErrorBodySchema = z.object({ error: errorBodySchema })

export const statusEventSchema = z.object({
  spec_version: z.string(),
  id: z.string(),
  type: z.string(),
  occurred_at: z.string(),
  /** Which service tells it; of our gateway, its public host. */
  environment_id: z.string().optional(),
  /** Ours: grows with each event, so that one that comes late can be told from one that is new. */
  sequence: z.number().optional(),
  object: z.string().optional(),
  data: z.object({
    id: z.string(),
    identifier: z.string(),
    connection_id: z.string(),
    connection_name: z.string(),
    provider: z.string().optional(),
    authorization_type: z.string().optional(),
    status: z.string(),
    old_status: z.string().optional(),
  }),
})

export type WireConnectionToolMapping = z.infer<typeof connectionToolMappingSchema>
export type WireConfig = z.infer<typeof configSchema>
export type WireConnectedAccount = z.infer<typeof connectedAccountSchema>
export type WireInstance = z.infer<typeof instanceSchema>
export type WireConnectionAuthState = z.infer<typeof connectionAuthStateSchema>
export type WireAuthState = z.infer<typeof authStateSchema>
export type WireReadConnectionAuthState = z.infer<typeof readConnectionAuthStateSchema>
export type WireSessionToken = z.infer<typeof sessionTokenSchema>
export type WireReadSessionToken = z.infer<typeof readSessionTokenSchema>
export type WireEnsuredInstance = z.infer<typeof ensuredInstanceSchema>
export type WireErrorBody = z.infer<typeof errorBodySchema>
export type WireStatusEvent = z.infer<typeof statusEventSchema>
