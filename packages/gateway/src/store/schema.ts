import type { Generated } from 'kysely'
import type {
  AccountStatus,
  AuditOutcome,
  ChangeKind,
  ToolNames,
  ToolPinState,
  WebhookDeliveryStatus,
  WebhookDisabledReason,
} from '../domain.ts'
import type { RingName } from './store.ts'

/** The tables, as Kysely sees them. Times are milliseconds since the epoch. */
export interface Schema {
  connections: ConnectionsTable
  configs: ConfigsTable
  instances: InstancesTable
  connected_accounts: ConnectedAccountsTable
  auth_links: AuthLinksTable
  auth_flows: AuthFlowsTable
  pending_verifications: PendingVerificationsTable
  pending_revocations: PendingRevocationsTable
  oauth_clients: OauthClientsTable
  events: EventsTable
  settings: SettingsTable
  ring_keys: RingKeysTable
  changes: ChangesTable
  revocations: RevocationsTable
  idempotency_keys: IdempotencyKeysTable
  webhook_endpoints: WebhookEndpointsTable
  webhook_deliveries: WebhookDeliveriesTable
  audit_log: AuditLogTable
  pinned_connections: PinnedConnectionsTable
  tool_pins: ToolPinsTable
  scope_requests: ScopeRequestsTable
}

export interface ConnectionsTable {
  id: string
  name: string
  created_at: number
  /** Null unless it was made over the API. */
  sealed_definition: Generated<Uint8Array | null>
  generation: Generated<number>
}

export interface ConfigsTable {
  id: string
  name: string
  description: string | null
  /** JSON: `[{ "connectionId": …, "tools": […] }]`, in order; without `tools`, all of them. */
  mappings: string
  tool_names: ToolNames | null
  created_at: number
  updated_at: number
}

export interface InstancesTable {
  id: string
  name: string
  config_id: string
  user_identifier: string
  url_version: number
  url_key_id: string
  created_at: number
  updated_at: number
  last_used_at: number | null
}

export interface ConnectedAccountsTable {
  id: string
  connection_id: string
  user_identifier: string
  status: AccountStatus
  generation: number
  sealed_credential: Uint8Array | null
  created_at: number
  updated_at: number
  /** Of a refresh of this generation's credential that has no outcome yet. */
  refresh_started_at: number | null
  refresh_failed_at: number | null
  /** Failed refreshes of this generation's credential. */
  refresh_failures: Generated<number>
}

export interface AuthLinksTable {
  id: string
  account_id: string
  token_hash: string
  created_at: number
  expires_at: number
  used_at: number | null
  client_id: string | null
  verify_url: string | null
  sealed_state: Uint8Array | null
}

export interface AuthFlowsTable {
  state_hash: string
  link_id: string
  account_id: string
  sealed_attempt: Uint8Array
  browser_hash: string
  expires_at: number
  /** 0 or 1. */
  consumed: number
}

export interface PendingVerificationsTable {
  request_hash: string
  account_id: string
  user_identifier: string
  client_id: string | null
  previous_status: AccountStatus
  sealed_credential: Uint8Array
  expires_at: number
}

export interface PendingRevocationsTable {
  id: string
  user_identifier: string
  account_id: string
  connection_id: string
  sealed_credential: Uint8Array
  due_at: number
}

export interface OauthClientsTable {
  issuer: string
  redirect_uri: string
  client_id: string
  sealed_client_secret: Uint8Array | null
  /** JSON. */
  metadata: string
}

export interface EventsTable {
  sequence: Generated<number>
  id: string
  account_id: string
  user_identifier: string
  connection_id: string
  status: AccountStatus
  old_status: AccountStatus
  occurred_at: number
}

export interface SettingsTable {
  name: string
  value: Uint8Array
}

export interface ChangesTable {
  sequence: Generated<number>
  kind: ChangeKind
  subject: string
  occurred_at: number
}

/** How often a user's tokens were revoked. `config_id` is empty for those of all configs. */
export interface RevocationsTable {
  user_identifier: string
  config_id: string
  epoch: number
  revoked_at: number
}

export interface RingKeysTable {
  ring: RingName
  key_id: string
  proof: Uint8Array
  wrapped_key: Uint8Array | null
  current_from: number
  seen_at: number
  retired_at: number | null
}

export interface IdempotencyKeysTable {
  key_hash: string
  /** Who works on it, or did. */
  claim: string
  claimed_at: number
  /** Null while the request is being carried out. */
  sealed_answer: Uint8Array | null
}

export interface WebhookEndpointsTable {
  id: string
  url: string
  description: string | null
  source: 'api' | 'configuration'
  /** Null while it is enabled. */
  disabled_reason: WebhookDisabledReason | null
  sealed_secrets: Uint8Array
  generation: number
  failing_since: number | null
  created_at: number
  updated_at: number
}

export interface WebhookDeliveriesTable {
  endpoint_id: string
  event_id: string
  event_sequence: number
  status: WebhookDeliveryStatus
  attempts: number
  /** JSON: the last attempts, oldest first. */
  attempt_log: string
  /** Null unless it is pending. While somebody sends it: when the claim runs out. */
  next_attempt_at: number | null
  /** Whose claim it is. */
  claim: string | null
  created_at: number
}

export interface AuditLogTable {
  sequence: Generated<number>
  occurred_at: number
  actor: string
  action: string
  outcome: AuditOutcome
  user_identifier: string | null
  connection_id: string | null
  config_id: string | null
  instance_id: string | null
  account_id: string | null
  request_id: string | null
  address: string | null
  /** JSON. */
  details: string | null
}

/** Whose tools were approved once, when pinning began. */
export interface PinnedConnectionsTable {
  connection_id: string
  pinned_at: number
}

export interface ToolPinsTable {
  /** Sorts by connection, then tool. */
  id: string
  connection_id: string
  /** JSON: a string. */
  tool: string
  digest: string
  state: ToolPinState
  /** Null where it is too long to keep. */
  definition: string | null
  seen_at: number
  decided_at: number | null
}

export interface ScopeRequestsTable {
  account_id: string
  user_identifier: string
  scope: string
  /** 0 or 1. */
  is_open: number
  consents: number
  requested_at: number
}
