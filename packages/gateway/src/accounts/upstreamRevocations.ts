import type { LogSink } from '../http/requestLog.ts'
import type { Clock, OAuth, Registry, UpstreamRevocation, Vault } from '../services.ts'
import type { PendingRevocation, Store } from '../store/store.ts'
import { openPending } from './pendingRevocations.ts'

export interface UpstreamRevocationsOptions {
  readonly store: Store
  readonly vault: Vault
  readonly registry: Pick<Registry, 'connection'>
  readonly oauth: Pick<OAuth, 'revoke'>
  readonly clock: Clock
  readonly log?: LogSink | undefined
  /** The longest that one server may take, in milliseconds. Default: 5,000. */
  readonly timeoutMs?: number | undefined
}

/** What came of a grant. */
export interface GivenBack {
  readonly accountId: string
  readonly connectionId: string
  readonly outcome: UpstreamRevocation
}

/** Tells authorization servers of grants that are over. */
export interface UpstreamRevocations {
  /** All that is left of this user, also what another request or process left behind. Never throws because of a server. */
  finish(userIdentifier: string): Promise<readonly GivenBack[]>
  /** What a process that was killed has left behind, and what came too late for its request. */
  sweep(): Promise<void>
}

/** For so long nobody else tries what a request is about to do, in milliseconds. */
export const REVOCATION_LEASE_MS = 60_000
/** Well within what a client waits for the answer to a revocation. */
const TIMEOUT_MS = 5_000
const AT_ONCE = 8
const SWEEP_LIMIT = 100

/**
 * One attempt for each grant, and then it is gone from here whatever came of it: who asks for a deletion must get it,
 * even where a server is down. What came of it is told, and logged if it is not good.
 */
export function createUpstreamRevocations(options: UpstreamRevocationsOptions): UpstreamRevocations {
  const { store, vault, registry, oauth, clock, log = () => undefined, timeoutMs = TIMEOUT_MS } = options

  return {
    async finish(userIdentifier) {
      const pending = await store.pendingRevocations.ofUser(userIdentifier)
      const given = await inTurn(pending, giveBack)
      // Takes the sealed credentials out of the files; so does the deletion of an account that had another kind.
      await store.scrub()
      return given
    },

    async sweep() {
      const due = await store.pendingRevocations.due(new Date(clock()), SWEEP_LIMIT)
      const until = new Date(clock() + REVOCATION_LEASE_MS)
      const given = await inTurn(due, async (pending) => {
        if (await store.pendingRevocations.postpone(pending, until)) await giveBack(pending)
      })
      if (given.length > 0) await store.scrub()
    },
  }

  async function giveBack(pending: PendingRevocation): Promise<GivenBack> {
    const { accountId, connectionId } = pending
    const outcome = await attempt(pending)
    await store.pendingRevocations.delete(pending)
    if (outcome === 'failed') log({ level: 'warn', message: 'a grant could not be revoked upstream', accountId })
    return { accountId, connectionId, outcome }
  }

  async function attempt(pending: PendingRevocation): Promise<UpstreamRevocation> {
    const connection = registry.connection(pending.connectionId)
    if (connection === undefined) return 'failed'
    try {
      const credential = openPending(vault, pending)
      if (credential.type !== 'oauth2') return 'not_applicable'
      return await within(timeoutMs, oauth.revoke(connection, credential))
    } catch {
      return 'failed'
    }
  }
}

async function within(timeoutMs: number, revoking: Promise<UpstreamRevocation>): Promise<UpstreamRevocation> {
  const { promise, resolve } = Promise.withResolvers<UpstreamRevocation>()
  const timer = setTimeout(() => resolve('failed'), timeoutMs)
  try {
    return await Promise.race([revoking, promise])
  } finally {
    clearTimeout(timer)
  }
}

/** A few at a time, in their order. */
async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = []
  for (let at = 0; at < items.length; at += AT_ONCE) {
    results.push(...(await Promise.all(items.slice(at, at + AT_ONCE).map(work))))
  }
  return results
}
