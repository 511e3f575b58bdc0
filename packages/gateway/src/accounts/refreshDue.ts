import type { Credential } from '../domain.ts'

type OAuthCredential = Credential & { type: 'oauth2' }

const LIFE_LEFT = 0.2
const MINIMUM_LEFT_MS = 60_000

/**
 * Due when a fifth of the token's life is left, or a minute, whichever comes first; of a token that lives shorter than
 * two minutes, half. Not due without a refresh token: the rest of the life is then all that there is.
 */
export function isRefreshDue({ expiresAt, refreshToken }: OAuthCredential, writtenAt: Date, now: number): boolean {
  if (expiresAt === undefined) return false
  if (refreshToken === undefined) return expiresAt <= now
  const lifeMs = Math.max(0, expiresAt - writtenAt.getTime())
  const marginMs = Math.max(lifeMs * LIFE_LEFT, Math.min(MINIMUM_LEFT_MS, lifeMs / 2))
  return expiresAt - marginMs <= now
}

/** Past its end. An upstream would refuse it. */
export function isExpired({ expiresAt }: OAuthCredential, now: number): boolean {
  return expiresAt !== undefined && expiresAt <= now
}
