export {
  accessTokenResponseSchema,
  authStateSchema,
  configListSchema,
  configRequestSchema,
  configSchema,
  configUpdateSchema,
  connectedAccountListSchema,
  connectedAccountSchema,
  connectedAccountsRequestSchema,
  connectedAccountsSchema,
  connectionAuthStateSchema,
  connectionToolMappingSchema,
  ensureInstanceRequestSchema,
  ensuredInstanceSchema,
  errorBodySchema,
  getAuthStateRequestSchema,
  instanceListSchema,
  instanceSchema,
  instanceUpdateSchema,
  sessionTokenRequestSchema,
  sessionTokenSchema,
  statusEventSchema,
  userIdentifierSchema,
} from './schemas.ts'
export type {
  WireAuthState,
  WireConfig,
  WireConnectedAccount,
  WireConnectionAuthState,
  WireConnectionToolMapping,
  WireEnsuredInstance,
  WireErrorBody,
  WireInstance,
  WireSessionToken,
  WireStatusEvent,
} from './schemas.ts'
export {
  CONNECTED_ACCOUNT_STATUSES,
  AUTHORIZE_INPUT_KEY_PREFIX,
  STATUS_EVENT_TYPE,
  UNAVAILABLE_META_KEY,
} from './constants.ts'
export {
  createdWebhookSchema,
  replayWebhookRequestSchema,
  replayedWebhookSchema,
  rotateWebhookSecretRequestSchema,
  webhookDeliveryListSchema,
  webhookDeliverySchema,
  webhookListSchema,
  webhookRequestSchema,
  webhookSchema,
  webhookSecretSchema,
  webhookUpdateSchema,
} from './webhookSchemas.ts'
export type { WireWebhook, WireWebhookDelivery } from './webhookSchemas.ts'
export {
  UPSTREAM_REVOCATIONS,
  deleteAccountRequestSchema,
  revokedAccountSchema,
  revokeUserRequestSchema,
  userRevocationSchema,
} from './revocationSchemas.ts'
export type { WireRevokedAccount, WireUserRevocation } from './revocationSchemas.ts'
export {
  magicLinkRequestSchema,
  magicLinkSchema,
  verifiedUserSchema,
  verifyUserRequestSchema,
} from './verificationSchemas.ts'
export { auditEntrySchema, auditLogSchema } from './auditSchemas.ts'
export {
  connectionListSchema,
  connectionRequestSchema,
  connectionSchema,
  connectionUpdateSchema,
} from './connectionSchemas.ts'
export type { WireConnection } from './connectionSchemas.ts'
export { diagnosticsSchema } from './diagnosticsSchemas.ts'
export type { WireDiagnosedConnection, WireDiagnosedTool, WireDiagnostics } from './diagnosticsSchemas.ts'
export type { WireAuditEntry } from './auditSchemas.ts'
export {
  approveToolsRequestSchema,
  decidedToolsSchema,
  pinnedToolListSchema,
  pinnedToolSchema,
  quarantineToolsRequestSchema,
  toolDefinitionSchema,
} from './toolPinSchemas.ts'
export type { WirePinnedTool } from './toolPinSchemas.ts'
