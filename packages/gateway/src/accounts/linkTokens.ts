import { createHash, randomBytes } from 'node:crypto'
import { Secret } from '../secret.ts'
import type { Vault } from '../services.ts'
import type { AuthLink } from '../store/store.ts'

const PREFIX = 'lklink_'
const TOKEN = /^lklink_[A-Za-z0-9_-]{43}$/

/** 256 random bits, with a prefix that secret scanners can look for. Only the hash is ever kept. */
export function newLinkToken(): Secret {
  return new Secret(PREFIX + randomBytes(32).toString('base64url'))
}

/** What a token is found by, or undefined if it cannot be one of ours. */
export function hashLinkToken(token: string): string | undefined {
  return TOKEN.test(token) ? createHash('sha256').update(token).digest('hex') : undefined
}

/** The app's `state` opens only for the link that it came with. */
export function sealLinkState(vault: Vault, linkId: string, state: string): Uint8Array {
  return vault.seal(state, stateContext(linkId))
}

export function openLinkState(vault: Vault, { id, sealedState }: AuthLink): string | undefined {
  return sealedState && vault.open(sealedState, stateContext(id))
}

function stateContext(linkId: string): readonly string[] {
  return ['auth_links', linkId, 'sealed_state']
}
