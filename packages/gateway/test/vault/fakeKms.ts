import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { listen } from '../http/listen.ts'

export const KMS_KEY = 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab'

interface KmsRequest {
  readonly KeyId: string
  readonly Plaintext?: string
  readonly CiphertextBlob?: string
  readonly EncryptionContext?: Record<string, string>
}

export interface FakeKms {
  readonly url: string
  /** The operations that were asked for, in order. */
  readonly calls: string[]
  /** What it answers instead, while this is set. */
  failure: { status: number; type: string } | undefined
  /** Takes the permission to use the key away and destroys it. */
  forget(): void
  close(): Promise<void>
}

/**
 * AWS KMS as far as the gateway needs it, at the network's edge: the JSON protocol of Encrypt and Decrypt, real AES-GCM
 * under a key that does not leave it, the encryption context authenticated.
 * https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html
 */
export async function startFakeKms(): Promise<FakeKms> {
  let key = randomBytes(32)
  const server = createServer((request, response) => void answer(request, response))
  const port = await listen(server)
  const kms: FakeKms = {
    url: `http://127.0.0.1:${port}`,
    calls: [],
    failure: undefined,
    forget: () => void (key = randomBytes(32)),
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => void server.close(resolve))
    },
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const operation = String(request.headers['x-amz-target']).replace('TrentService.', '')
    const input: KmsRequest = JSON.parse(await text(request))
    kms.calls.push(operation)
    const { status, body } = kms.failure
      ? { status: kms.failure.status, body: { __type: kms.failure.type } }
      : perform(operation, input)
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body))
  }

  function perform(operation: string, { KeyId, Plaintext, CiphertextBlob, EncryptionContext = {} }: KmsRequest) {
    const context = Buffer.from(
      JSON.stringify(
        EncryptionContext,
        Object.keys(EncryptionContext).toSorted((a, b) => (a < b ? -1 : 1)),
      ),
    )
    if (KeyId !== KMS_KEY) return { status: 400, body: { __type: 'NotFoundException' } }
    if (operation === 'Encrypt' && Plaintext) {
      const iv = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(context)
      const box = [iv, cipher.update(Buffer.from(Plaintext, 'base64')), cipher.final(), cipher.getAuthTag()]
      return { status: 200, body: { KeyId, CiphertextBlob: Buffer.concat(box).toString('base64') } }
    }
    try {
      const box = Buffer.from(CiphertextBlob ?? '', 'base64')
      const decipher = createDecipheriv('aes-256-gcm', key, box.subarray(0, 12), { authTagLength: 16 }).setAAD(context)
      decipher.setAuthTag(box.subarray(-16))
      const plaintext = Buffer.concat([decipher.update(box.subarray(12, -16)), decipher.final()])
      return { status: 200, body: { KeyId, Plaintext: plaintext.toString('base64') } }
    } catch {
      return { status: 400, body: { __type: 'InvalidCiphertextException' } }
    }
  }

  return kms
}
