export { createGateway } from './gateway.ts'
export type { Gateway } from './gateway.ts'
export type {
  ApiClientOptions,
  AwsKeyManagementOptions,
  ConnectionAuthOptions,
  ConnectionOptions,
  CredentialFieldOptions,
  GatewayOptions,
  OAuth2Options,
  OptionText,
} from './config/gatewayOptions.ts'
export type { PresetName } from './config/presets.ts'
export { GatewayError } from './errors.ts'
export type { GatewayErrorCode } from './errors.ts'
export type { LogRecord, LogSink } from './http/requestLog.ts'
export type { KeyManagementService } from './vault/keyManagement.ts'
