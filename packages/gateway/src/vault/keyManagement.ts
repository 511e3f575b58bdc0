/**
 * A service that keeps a key which never leaves it, such as AWS KMS. The gateway's own keys lie in the database,
 * encrypted by it; they are decrypted once, when the gateway starts, so that no call waits for the service.
 */
export interface KeyManagementService {
  /** Encrypts one key of 32 bytes. The same `context` must be given to decrypt it; it is not secret. */
  encrypt(key: Uint8Array, context: Readonly<Record<string, string>>): Promise<Uint8Array>
  /** Rejects if it was not encrypted by this service in this context. */
  decrypt(encrypted: Uint8Array, context: Readonly<Record<string, string>>): Promise<Uint8Array>
}

/** AWS KMS, through `@aws-sdk/client-kms`, which has to be installed beside the gateway. */
export interface AwsKmsOptions {
  readonly type: 'aws-kms'
  /** The id, ARN or alias of a symmetric key. */
  readonly keyId: string
  /** Default: what the SDK finds, such as `AWS_REGION`. */
  readonly region?: string | undefined
  /** Another address of the service, such as a VPC endpoint. Default: the region's. */
  readonly endpoint?: string | undefined
}

export type KeyManagement = KeyManagementService | AwsKmsOptions

/** The service that the configuration names. */
export async function openKeyManagement(option: KeyManagement): Promise<KeyManagementService> {
  if (!('type' in option)) return option
  const { createAwsKms } = await import('./awsKms.ts')
  return await createAwsKms(option)
}
