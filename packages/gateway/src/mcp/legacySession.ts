import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { Keys } from '../services.ts'
import { isObject } from '../upstream/protocol.ts'
import type { Principal } from './authenticate.ts'

/**
 * The `Mcp-Session-Id` of a 2025 client. It holds all that there is to know (whether the client can be sent to a URL,
 * and a nonce that tells this client's request ids from another's), so any replica can read it and nothing is stored.
 * It is bound to the user and the config and authenticates nobody: whoever presents it has been identified already.
 */
export interface LegacySession {
  readonly id: string
  readonly canOpenUrls: boolean
}

const PURPOSE = 'mcp-session'

export function createLegacySession(
  keys: Keys,
  principal: Principal,
  initializeParams: Record<string, unknown>,
): string {
  const claims = canOpenUrls(initializeParams) ? 'u' : 'n'
  const nonce = randomBytes(16).toString('base64url')
  return `${claims}.${nonce}.${sign(keys, principal, claims, nonce)}`
}

/** Undefined for any id that was not made for this user and config. */
export function readLegacySession(keys: Keys, principal: Principal, id: string): LegacySession | undefined {
  const [claims = '', nonce = '', signature = '', ...rest] = id.split('.')
  if (rest.length > 0) return undefined
  const expected = Buffer.from(sign(keys, principal, claims, nonce))
  const given = Buffer.from(signature)
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined
  return { id, canOpenUrls: claims === 'u' }
}

function sign(keys: Keys, { config, userIdentifier }: Principal, claims: string, nonce: string): string {
  return keys.digest(PURPOSE, config.id, userIdentifier, claims, nonce)
}

function canOpenUrls({ capabilities }: Record<string, unknown>): boolean {
  return isObject(capabilities) && isObject(capabilities['elicitation']) && isObject(capabilities['elicitation']['url'])
}
