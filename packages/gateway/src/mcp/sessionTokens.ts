import { createHash } from 'node:crypto'
import { decodeJwt } from 'jose'
import { LRUCache } from 'lru-cache'
import type { Clock, Keys, SessionClaims } from '../services.ts'

export interface VerifiedSession extends SessionClaims {
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

export interface SessionTokens {
  verify(token: string, audience: string): Promise<VerifiedSession | undefined>
}

interface Remembered {
  readonly session: VerifiedSession
  readonly goodUntil: number
}

const MAX_TOKENS = 10_000
const REMEMBER_MS = 60_000

/**
 * Verifies session tokens, and remembers for a minute that a signature was good: checking it anew costs as much as the
 * rest of a call. Only what cannot change is remembered. The expiry is checked each time, and what a token is good for
 * (config, accounts, status) is read from the store on every request.
 */
export function createSessionTokens(keys: Keys, clock: Clock): SessionTokens {
  const verified = new LRUCache<string, Remembered>({ max: MAX_TOKENS })
  return {
    async verify(token, audience) {
      const key = createHash('sha256').update(`${audience}\n${token}`).digest('base64')
      const known = verified.get(key)
      if (known !== undefined && clock() < known.goodUntil) return known.session
      const claims = await keys.verifySessionToken(token, audience)
      if (claims === undefined) {
        verified.delete(key)
        return undefined
      }
      const session = { ...claims, expiresAt: expiryOf(token) }
      verified.set(key, { session, goodUntil: Math.min(clock() + REMEMBER_MS, session.expiresAt) })
      return session
    },
  }
}

/** Milliseconds since the epoch. Of a token that was just verified, so what it says is true. */
function expiryOf(token: string): number {
  const { exp } = decodeJwt(token)
  return exp === undefined ? 0 : exp * 1000
}
