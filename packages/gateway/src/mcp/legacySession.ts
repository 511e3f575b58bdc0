import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { Keys } from '../services.ts'
import { capabilityCode, type CapabilityCode } from '../upstream/clientCapabilities.ts'
import type { Principal } from './authenticate.ts'

/**
 * The `Mcp-Session-Id` of a 2025 client. It holds all that there is to know (what the client can be asked, and a nonce that tells this client's request ids from another's, and says whose it is), so any replica can read it and nothing is stored.
 * It is bound to the user and the config and authenticates nobody: whoever presents it has been identified already.
 */
export interface LegacySession {
  readonly id: string
  /** What the client said that it can be asked. */
  readonly capabilities: CapabilityCode
}

const PURPOSE = 'mcp-session'
const OWNER_PURPOSE = 'mcp-session-owner'
const OWNER_MARK = '~'

export function createLegacySession(
  keys: Keys,
  principal: Principal,
  initializeParams: Record<string, unknown>,
): string {
  const claims = capabilityCode(initializeParams['capabilities'])
  const owner = keys.digest(OWNER_PURPOSE, principal.userIdentifier)
  const nonce = `${randomBytes(16).toString('base64url')}${OWNER_MARK}${owner}`
  return `${claims}.${nonce}.${sign(keys, principal, claims, nonce)}`
}

/** Undefined for any id that was not made for this user and config. */
export function readLegacySession(keys: Keys, principal: Principal, id: string): LegacySession | undefined {
  const [claims = '', nonce = '', signature = '', ...rest] = id.split('.')
  if (rest.length > 0) return undefined
  const expected = Buffer.from(sign(keys, principal, claims, nonce))
  const given = Buffer.from(signature)
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined
  return { id, capabilities: claims }
}

/** Stands for the user, without naming anybody, in an id that has been read. One that was made before ids said it stands for itself. */
export function ownerOf(sessionId: string): string {
  const [, nonce = ''] = sessionId.split('.')
  return nonce.slice(nonce.indexOf(OWNER_MARK) + 1)
}

function sign(keys: Keys, { config, userIdentifier }: Principal, claims: string, nonce: string): string {
  return keys.digest(PURPOSE, config.id, userIdentifier, claims, nonce)
}
