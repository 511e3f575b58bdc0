import { createHmac, hkdfSync, randomBytes } from 'node:crypto'

/** What is derived from an app's credential at a service. Neither tells anything about it. */
export interface CredentialKeys {
  /** Tells this service and credential apart from others, in this process: see `Backend.identity`. */
  readonly identity: string
  /** See `Backend.sign`. */
  readonly sign: (text: string) => string
}

/** Of this process only, so that an identity tells nothing about the secret in it. */
const identityKey = randomBytes(32)

/**
 * @param service which service, and whatever else makes it another one: a name, an address.
 * @param clientId the public part of the credential; empty where it has none.
 */
export function deriveCredentialKeys(service: readonly string[], clientId: string, secret: string): CredentialKeys {
  // Derived for this one purpose (RFC 5869), so that what is signed says nothing that helps elsewhere.
  const signingKey = new Uint8Array(hkdfSync('sha256', secret, clientId, 'latchkey pending handle', 32))
  const secretDigest = createHmac('sha256', identityKey).update(secret).digest('base64url')
  return {
    identity: JSON.stringify([...service, clientId, secretDigest]),
    sign: (text) => createHmac('sha256', signingKey).update(text).digest('base64url'),
  }
}
