import { randomUUID } from 'node:crypto'
import { jwtVerify, SignJWT, type JWTPayload } from 'jose'
import type { Clock } from '../services.ts'
import type { KeyRing } from './keyRing.ts'
import { deriveSigningKeys, type SigningKey } from './signingKeys.ts'

const ALGORITHM = 'EdDSA'

export interface TokenKind {
  /** The `typ` header: what keeps one kind of token from being taken for another (RFC 8725 section 3.11). */
  readonly type: string
  readonly audience: string
}

export interface TokensOptions {
  readonly ring: KeyRing
  readonly issuer: string
  readonly clock: Clock
}

/** Signs and verifies JWTs with our own keys and no others. Times are by the clock, without leeway: it is one clock. */
export function createTokens({ ring, issuer, clock }: TokensOptions) {
  const keys = deriveSigningKeys(ring)

  return {
    /** `expiresAt` in milliseconds since the epoch; a JWT counts whole seconds. */
    async sign({ type, audience }: TokenKind, claims: JWTPayload, expiresAt: number): Promise<string> {
      const key = keys.get(ring.currentId)
      if (key === undefined) throw new RangeError(`The signing key ${ring.currentId} is not in the ring`)
      return await new SignJWT(claims)
        .setProtectedHeader({ alg: ALGORITHM, kid: key.id, typ: type })
        .setIssuer(issuer)
        .setAudience(audience)
        .setIssuedAt(new Date(clock()))
        .setExpirationTime(new Date(expiresAt))
        .setJti(randomUUID())
        .sign(key.privateKey)
    },

    /** The claims of a token that is ours, of this kind, for this audience alone, and valid now. */
    async verify(token: string, { type, audience }: TokenKind): Promise<JWTPayload | undefined> {
      try {
        const { payload } = await jwtVerify(token, (header) => publicKey(header.kid), {
          algorithms: [ALGORITHM],
          issuer,
          audience,
          typ: type,
          requiredClaims: ['sub', 'aud', 'exp', 'iat', 'jti'],
          currentDate: new Date(clock()),
        })
        // jose also takes a list that holds the audience; a token for us and for somebody else is not for us.
        return payload.aud === audience ? payload : undefined
      } catch {
        return undefined
      }
    },

    /** RFC 7517; public parts only. */
    jwks(): { keys: readonly Record<string, unknown>[] } {
      return { keys: [...keys.values()].map(toJwk) }
    },
  }

  function publicKey(keyId: string | undefined) {
    const key = keyId === undefined ? undefined : keys.get(keyId)
    if (key === undefined) throw new RangeError('unknown key id')
    return key.publicKey
  }
}

function toJwk({ id, publicKey }: SigningKey): Record<string, unknown> {
  return { ...publicKey.export({ format: 'jwk' }), kid: id, alg: ALGORITHM, use: 'sig' }
}
