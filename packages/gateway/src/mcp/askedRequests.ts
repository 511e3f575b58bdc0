import { randomUUID } from 'node:crypto'
import type { Vault } from '../services.ts'
import type { LegacyLink } from '../upstream/link.ts'
import type { Principal } from './authenticate.ts'

/** A request that an upstream of the 2025 era makes of its client in the middle of a call. */
export interface UpstreamQuestion {
  readonly accountId: string
  readonly link: Pick<LegacyLink, 'version' | 'sessionId'>
  /** The id, as the upstream wrote it. */
  readonly upstreamId: string
}

/** A request that we make ourselves of a client, and wait for, in this process. */
interface OwnQuestion {
  readonly nonce: string
}

/**
 * Requests that reach a client of the 2025 era in the middle of its call. The id of one that an upstream makes holds,
 * sealed, where the client's response has to go; so the response may come to any replica, the upstream's session id
 * stays ours (security T14), and a response that somebody makes up goes nowhere.
 */
export interface AskedRequests {
  /** A JSON-RPC id under which the client is asked what this upstream wants to know. */
  seal(principal: Principal, asked: UpstreamQuestion): string
  /** A JSON-RPC id of our own, and the client's response to it, as text. Rejects with the signal's reason. */
  ask(principal: Principal, signal: AbortSignal): { id: string; response: Promise<string> }
  /**
   * What the id of a response stands for. One of our own is answered with it; undefined for that, and for an id that
   * was not made for this user and config.
   */
  answered(principal: Principal, id: unknown, text: string): UpstreamQuestion | undefined
}

const PREFIX = 'asked_'

export function createAskedRequests(vault: Vault): AskedRequests {
  const waiting = new Map<string, (text: string) => void>()

  function sealed(principal: Principal, question: UpstreamQuestion | OwnQuestion): string {
    return PREFIX + Buffer.from(vault.seal(JSON.stringify(question), contextOf(principal))).toString('base64url')
  }

  function open(principal: Principal, id: unknown): UpstreamQuestion | OwnQuestion | undefined {
    if (typeof id !== 'string' || !id.startsWith(PREFIX)) return undefined
    try {
      return JSON.parse(vault.open(Buffer.from(id.slice(PREFIX.length), 'base64url'), contextOf(principal)))
    } catch {
      return undefined
    }
  }

  return {
    seal: sealed,
    ask(principal, signal) {
      signal.throwIfAborted()
      const nonce = randomUUID()
      const { promise, resolve, reject } = Promise.withResolvers<string>()
      const onAbort = (): void => reject(signal.reason)
      signal.addEventListener('abort', onAbort, { once: true })
      waiting.set(nonce, resolve)
      const response = promise.finally(() => {
        waiting.delete(nonce)
        signal.removeEventListener('abort', onAbort)
      })
      return { id: sealed(principal, { nonce }), response }
    },
    answered(principal, id, text) {
      const question = open(principal, id)
      if (question === undefined || !('nonce' in question)) return question
      waiting.get(question.nonce)?.(text)
      return undefined
    },
  }
}

function contextOf({ config, userIdentifier }: Principal): readonly string[] {
  return ['mcp-asked-request', userIdentifier, config.id]
}
