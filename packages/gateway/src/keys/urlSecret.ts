import { createHmac, createSecretKey, hash, timingSafeEqual, type KeyObject } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { Secret } from '../secret.ts'
import { deriveKey } from './deriveKey.ts'
import { encodeTuple } from './encodeTuple.ts'
import type { KeyRing } from './keyRing.ts'

export interface UrlSecretClaims {
  readonly instanceId: string
  readonly urlVersion: number
  readonly keyId: string
}

/** Something that secret scanners can look for. */
const PREFIX = 'lkurl_'
const MAC_BYTES = 32
const MAX_LENGTH = 512
const MAX_VERSION = 0xff_ff_ff_ff
const MAX_VERIFIED = 10_000

/**
 * The secret of a pre-authenticated URL: key id, URL version and instance id, with an HMAC-SHA-256 over them. It is
 * derived and never stored, so the same one comes back every time and a stolen database gives none away.
 */
export function createUrlSecrets(ring: KeyRing) {
  // Which secrets our keys made never changes: by digest, so that no secret is compared or kept.
  const verified = new LRUCache<string, UrlSecretClaims>({ max: MAX_VERIFIED })
  // Key objects: from raw bytes each HMAC would make one anew, at four times the cost.
  const macKeys = new Map([...ring.keys].map(([id, key]) => [id, createSecretKey(deriveKey(key, 'url secret v1'))]))

  return {
    /** Throws if the ring does not hold the key any more. */
    make(claims: UrlSecretClaims): Secret {
      const macKey = macKeys.get(claims.keyId)
      if (macKey === undefined) throw new RangeError(`The signing key ${claims.keyId} is not in the ring`)
      const body = encodeBody(claims)
      return new Secret(PREFIX + Buffer.concat([body, mac(macKey, claims)]).toString('base64url'))
    },

    /** What the secret says, if one of our keys made it. */
    verify(value: string): UrlSecretClaims | undefined {
      const digest = hash('sha256', value)
      const known = verified.get(digest)
      if (known !== undefined) return known
      const claims = verifyOnce(value)
      if (claims !== undefined) verified.set(digest, claims)
      return claims
    },
  }

  function verifyOnce(value: string): UrlSecretClaims | undefined {
    const bytes = decode(value)
    const claims = bytes && decodeBody(bytes.subarray(0, -MAC_BYTES))
    const macKey = claims && macKeys.get(claims.keyId)
    if (bytes === undefined || claims === undefined || macKey === undefined) return undefined
    return timingSafeEqual(bytes.subarray(-MAC_BYTES), mac(macKey, claims)) ? claims : undefined
  }
}

function mac(key: KeyObject, { keyId, urlVersion, instanceId }: UrlSecretClaims): Buffer {
  return createHmac('sha256', key)
    .update(encodeTuple([keyId, String(urlVersion), instanceId]))
    .digest()
}

/** Bytes: length of the key id, key id, version (4), instance id. */
function encodeBody({ keyId, urlVersion, instanceId }: UrlSecretClaims): Buffer {
  if (!Number.isInteger(urlVersion) || urlVersion < 0 || urlVersion > MAX_VERSION) throw new RangeError('urlVersion')
  const version = Buffer.alloc(4)
  version.writeUInt32BE(urlVersion)
  const id = Buffer.from(keyId, 'latin1')
  return Buffer.concat([Buffer.of(id.length), id, version, Buffer.from(instanceId, 'latin1')])
}

function decodeBody(body: Buffer): UrlSecretClaims | undefined {
  const idLength = body[0] ?? 0
  if (body.length <= 1 + idLength + 4) return undefined
  return {
    keyId: body.toString('latin1', 1, 1 + idLength),
    urlVersion: body.readUInt32BE(1 + idLength),
    instanceId: body.toString('latin1', 1 + idLength + 4),
  }
}

/** Refuses every other spelling of the same bytes, of which lenient decoders accept many. */
function decode(value: string): Buffer | undefined {
  if (!value.startsWith(PREFIX) || value.length > MAX_LENGTH) return undefined
  const encoded = value.slice(PREFIX.length)
  const bytes = Buffer.from(encoded, 'base64url')
  return bytes.length > MAC_BYTES && bytes.toString('base64url') === encoded ? bytes : undefined
}
