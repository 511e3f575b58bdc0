import type { Vault } from '../services.ts'
import type { LegacyLink } from '../upstream/link.ts'
import type { Principal } from './authenticate.ts'

/** A request that an upstream of the 2025 era makes of its client in the middle of a call. */
export interface AskedRequest {
  readonly accountId: string
  readonly link: Pick<LegacyLink, 'version' | 'sessionId'>
  /** The id, as the upstream wrote it. */
  readonly upstreamId: string
}

/**
 * The ids under which such requests reach the client. An id holds, sealed, where the client's response has to go; so
 * the response may come to any replica, the upstream's session id stays ours (security T14), and a response that
 * somebody makes up goes nowhere.
 */
export interface AskedRequests {
  /** A JSON-RPC id. */
  seal(principal: Principal, asked: AskedRequest): string
  /** Undefined for an id that was not made for this user and config. */
  open(principal: Principal, id: unknown): AskedRequest | undefined
}

const PREFIX = 'asked_'

export function createAskedRequests(vault: Vault): AskedRequests {
  return {
    seal: (principal, asked) =>
      PREFIX + Buffer.from(vault.seal(JSON.stringify(asked), contextOf(principal))).toString('base64url'),
    open(principal, id) {
      if (typeof id !== 'string' || !id.startsWith(PREFIX)) return undefined
      try {
        return JSON.parse(vault.open(Buffer.from(id.slice(PREFIX.length), 'base64url'), contextOf(principal)))
      } catch {
        return undefined
      }
    },
  }
}

function contextOf({ config, userIdentifier }: Principal): readonly string[] {
  return ['mcp-asked-request', userIdentifier, config.id]
}
