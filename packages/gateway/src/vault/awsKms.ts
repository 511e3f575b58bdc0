import { GatewayError } from '../errors.ts'
import type { AwsKmsOptions, KeyManagementService } from './keyManagement.ts'

const CONNECTION_TIMEOUT_MS = 5_000
const REQUEST_TIMEOUT_MS = 10_000

/**
 * AWS KMS. Credentials come from where the SDK looks for them: the environment, a profile, the machine's role. It does
 * not go through the guarded fetch: whom it asks is the operator's own configuration, and nobody else's.
 *
 * @throws GatewayError `configuration` if `@aws-sdk/client-kms` is not installed.
 */
export async function createAwsKms({ keyId, region, endpoint }: AwsKmsOptions): Promise<KeyManagementService> {
  const { KMSClient, EncryptCommand, DecryptCommand } = await importSdk()
  const client = new KMSClient({
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
    requestHandler: { connectionTimeout: CONNECTION_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS },
  })
  return {
    async encrypt(key, context) {
      const command = new EncryptCommand({ KeyId: keyId, Plaintext: key, EncryptionContext: { ...context } })
      return present((await client.send(command)).CiphertextBlob)
    },
    async decrypt(encrypted, context) {
      // The key is named, so that nothing is taken that another key of the account encrypted.
      const command = new DecryptCommand({
        KeyId: keyId,
        CiphertextBlob: encrypted,
        EncryptionContext: { ...context },
      })
      return present((await client.send(command)).Plaintext)
    },
  }
}

async function importSdk() {
  try {
    return await import('@aws-sdk/client-kms')
  } catch (error) {
    throw new GatewayError(
      'configuration',
      'keyManagement is "aws-kms", but @aws-sdk/client-kms is not installed. Install it beside @latchkey/gateway.',
      { cause: error },
    )
  }
}

function present(bytes: Uint8Array | undefined): Uint8Array {
  if (bytes === undefined) throw new TypeError('AWS KMS answered without the bytes that it was asked for')
  return bytes
}
