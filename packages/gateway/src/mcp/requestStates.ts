import { createHash } from 'node:crypto'
import type { Clock, Vault } from '../services.ts'
import type { Principal } from './authenticate.ts'
import type { InboundRequest } from './inbound.ts'

/**
 * What an upstream gives a client to carry from one round of a request to the next (2026-07-28, "Multi Round-Trip
 * Requests"). It passes through us sealed: for this user and config, this method and these params, and for a while.
 * Presented by anybody else, or with anything else, it never reaches the upstream (security T15).
 */
export interface RequestStates {
  seal(principal: Principal, call: InboundRequest, state: string): string
  /** Undefined for whatever was not sealed for exactly this, or too long ago. */
  open(principal: Principal, call: InboundRequest, sealed: string): string | undefined
}

const LIFETIME_MS = 60 * 60_000
/** Of what is opened, in characters: a longer one is not ours. */
const MAX_SEALED_CHARS = 1024 * 1024

export function createRequestStates({ vault, clock }: { vault: Vault; clock: Clock }): RequestStates {
  return {
    seal(principal, call, state) {
      const plaintext = JSON.stringify({ state, expiresAt: clock() + LIFETIME_MS } satisfies Carried)
      return Buffer.from(vault.seal(plaintext, contextOf(principal, call))).toString('base64url')
    },
    open(principal, call, sealed) {
      if (sealed.length > MAX_SEALED_CHARS) return undefined
      try {
        const carried: Carried = JSON.parse(vault.open(Buffer.from(sealed, 'base64url'), contextOf(principal, call)))
        return carried.expiresAt > clock() ? carried.state : undefined
      } catch {
        return undefined
      }
    },
  }
}

interface Carried {
  readonly state: string
  readonly expiresAt: number
}

/** All that makes it this request; what a retry adds is not part of it. */
function contextOf({ config, userIdentifier }: Principal, { method, params }: InboundRequest): readonly string[] {
  const { _meta: meta, inputResponses, requestState, ...salient } = params
  void [meta, inputResponses, requestState]
  const digest = createHash('sha256').update(JSON.stringify(salient)).digest('base64url')
  return ['mcp-request-state', userIdentifier, config.id, method, digest]
}
