import { createPrivateKey, type KeyObject } from 'node:crypto'
import * as oauth from 'oauth4webapi'
import type { OAuthConnectionAuth } from '../domain.ts'
import type { Secret } from '../secret.ts'

/** Authenticates with a signature instead of a secret (RFC 7523, OpenID Connect Core section 9). */
export async function privateKeyJwt(
  privateKey: Secret,
  { keyId, issuer, authorizationEndpoint }: OAuthConnectionAuth,
): Promise<oauth.ClientAuth> {
  const { key, keyId: ownId } = readPrivateKey(privateKey)
  const kid = keyId ?? ownId
  const signingKey = { key: await toSigningKey(key), ...(kid !== undefined && { kid }) }
  // A server whose issuer nobody has named is addressed by its token endpoint, as RFC 7523 section 3 allows.
  const isAnonymous = authorizationEndpoint !== undefined && issuer === undefined
  return async (server, client, body, headers) =>
    await oauth.PrivateKeyJwt(signingKey, {
      [oauth.modifyAssertion]: (_header, payload) => {
        if (isAnonymous && server.token_endpoint !== undefined) payload['aud'] = server.token_endpoint
      },
    })(server, client, body, headers)
}

/**
 * A private key as a JWK or PEM. Throws a plain `Error` without any of it where it is none, or one that is not signed
 * with: RSA from 2,048 bits, P-256, P-384, P-521 or Ed25519.
 */
export function readPrivateKey(privateKey: Secret): { readonly key: KeyObject; readonly keyId: string | undefined } {
  const text = privateKey.reveal().trim()
  const jwk = text.startsWith('{') ? parse(text) : undefined
  let key: KeyObject
  try {
    key = jwk === undefined ? createPrivateKey(text) : createPrivateKey({ key: jwk, format: 'jwk' })
  } catch {
    throw new Error('is not a private key (a JWK or PEM)')
  }
  if (algorithmOf(key) === undefined) {
    throw new Error('is not a key to sign with: RSA from 2048 bits, P-256, P-384, P-521 or Ed25519')
  }
  return { key, keyId: typeof jwk?.['kid'] === 'string' ? jwk['kid'] : undefined }
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

async function toSigningKey(key: KeyObject): Promise<oauth.PrivateKey['key']> {
  const algorithm = algorithmOf(key)
  if (algorithm === undefined) throw new Error('is not a key to sign with')
  return await crypto.subtle.importKey('pkcs8', key.export({ type: 'pkcs8', format: 'der' }), algorithm, false, [
    'sign',
  ])
}

const CURVES: Readonly<Record<string, string>> = { prime256v1: 'P-256', secp384r1: 'P-384', secp521r1: 'P-521' }
const MINIMUM_RSA_BITS = 2048

function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject) {
  if (asymmetricKeyType === 'ed25519') return { name: 'Ed25519' }
  if (asymmetricKeyType === 'rsa') {
    const isLongEnough = (asymmetricKeyDetails?.modulusLength ?? 0) >= MINIMUM_RSA_BITS
    return isLongEnough ? { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } : undefined
  }
  const namedCurve = asymmetricKeyType === 'ec' ? CURVES[asymmetricKeyDetails?.namedCurve ?? ''] : undefined
  return namedCurve === undefined ? undefined : { name: 'ECDSA', namedCurve }
}
