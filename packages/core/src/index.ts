export { createLatchkey } from './createLatchkey.ts'
export { sharedLatchkey, sharedLatchkeyOf } from './sharedLatchkey.ts'
export type { ControlPlaneOptions } from './sharedLatchkey.ts'
export type {
  CallOptions,
  ConfigOptions,
  GetAuthStateOptions,
  Latchkey,
  MagicLinkOptions,
  McpServerOptions,
  PendingOptions,
  PendingUser,
  ReadyManyOptions,
  ReadyManyReport,
  ReadyOptions,
  ResumeOptions,
  UserToolsOptions,
  WaitForAuthOptions,
} from './latchkey.ts'
export type { McpClient, McpFileClient, McpServerForms } from './clients/mcpServerForms.ts'
export type { LatchkeyOptions } from './latchkeyOptions.ts'
export { isAuthorizationRequired, LatchkeyError } from './errors.ts'
export type { LatchkeyErrorCode } from './errors.ts'
export { latchkeyGateway } from './backends/latchkeyGateway.ts'
export type { GatewayBackend, LatchkeyGatewayOptions } from './backends/latchkeyGateway.ts'
export { scalekit } from './backends/scalekit/scalekit.ts'
export type { ScalekitOptions } from './backends/scalekit/scalekit.ts'
export { composio } from './backends/composio/composio.ts'
export type { ComposioOptions } from './backends/composio/composio.ts'
export { staticBackend } from './backends/static/staticBackend.ts'
export type { StaticEndpoint, StaticEndpoints } from './backends/static/staticBackend.ts'
export type {
  DiagnosedConnection,
  DiagnosedKey,
  DiagnosedTool,
  DiagnosedUser,
  DiagnosedWebhook,
  Diagnosis,
  GatewayManagement,
  McpConfig,
  ToolMapping,
} from './backends/gatewayManagement.ts'
export type {
  Backend,
  BackendCallOptions,
  EnsuredInstance,
  MagicLink,
  McpInstance,
  RevokedAccount,
  SessionToken,
  StatusEvent,
  UserRevocation,
} from './backends/backend.ts'
export { createUserVerification } from './verification/createUserVerification.ts'
export type { UserVerification, UserVerificationOptions } from './verification/createUserVerification.ts'
export { ConnectionState } from './readiness/connectionState.ts'
export type { Requirement } from './readiness/requirement.ts'
export type { ConnectedAccountStatus } from './readiness/connectionState.ts'
export type { ReadyEndpoint } from './session/readyEndpoint.ts'
export { agentTools, callAgentTool, tellAuthorizationRequired } from './tools/agentTools.ts'
export type { AgentToolReport, AgentToolsOptions } from './tools/agentTools.ts'
export { authorizationRequest } from './tools/authorizationRequest.ts'
export type { AuthorizationRequest } from './tools/authorizationRequest.ts'
export { needsApproval } from './tools/needsApproval.ts'
export type { ApprovalPolicy, DescribedTool } from './tools/needsApproval.ts'
export { adaptTools } from './schemas/adaptTools.ts'
export type { AdaptedTools, SchemaReport } from './schemas/adaptTools.ts'
export type { SchemaProfile } from './schemas/schemaProfile.ts'
export { schemaProfileFor } from './schemas/schemaProfileFor.ts'
export { resultParts } from './tools/resultParts.ts'
export type { Attach, MediaPart, ResultPart, TextPart, ToolResult } from './tools/resultParts.ts'
export { toolError } from './tools/toolError.ts'
export { userIdOf } from './tools/userIdOf.ts'
export { warnOfMissingTools } from './tools/warnOfMissingTools.ts'
export type { JsonSchema, ToolCallOptions, ToolReport, UserTool, UserTools } from './tools/userTools.ts'
export type { Fetch } from './http/httpClient.ts'
export { systemTiming } from './timing/timing.ts'
export type { Timing } from './timing/timing.ts'
