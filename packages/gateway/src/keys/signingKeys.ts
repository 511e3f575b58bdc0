import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { deriveKey } from './deriveKey.ts'
import type { KeyRing } from './keyRing.ts'

export interface SigningKey {
  readonly id: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

/** The Ed25519 key of each key in the ring, by its id. */
export function deriveSigningKeys(ring: KeyRing): ReadonlyMap<string, SigningKey> {
  return new Map([...ring.keys].map(([id, key]) => [id, signingKey(id, deriveKey(key, 'ed25519 v1'))]))
}

/** The DER header of a PKCS #8 Ed25519 key (RFC 8410 section 7); the seed follows. */
const PKCS8_HEADER = Buffer.from('302e020100300506032b657004220420', 'hex')

function signingKey(id: string, seed: Buffer): SigningKey {
  const der = Buffer.concat([PKCS8_HEADER, seed])
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  return { id, privateKey, publicKey: createPublicKey(privateKey) }
}
