import { GatewayError } from '../errors.ts'
import type { Clock, Registry, Revocations, RevokedAccount, UpstreamRevocation, Vault } from '../services.ts'
import type { Store, StoredAccount } from '../store/store.ts'
import type { Commit, Notes } from './commit.ts'
import { removeAccount, type Removed } from './removeAccount.ts'
import { REVOCATION_LEASE_MS, type GivenBack, type UpstreamRevocations } from './upstreamRevocations.ts'

export interface RevocationsOptions {
  readonly store: Store
  readonly commit: Commit
  readonly vault: Vault
  readonly registry: Pick<Registry, 'connection'>
  readonly upstreamRevocations: UpstreamRevocations
  readonly clock: Clock
}

/** Stands for no config: no config has this id. */
const NO_CONFIG = ''
const PAGE = 100

/**
 * Ends what was given out. First everything that is in our power, in one transaction that tells every process; then, as
 * well as that goes, the servers that made the grants. Whoever calls again finishes what a killed process has begun.
 */
export function createRevocations(options: RevocationsOptions): Revocations {
  const { store, commit, vault, registry, upstreamRevocations, clock } = options

  return {
    epoch: (userIdentifier, configId = NO_CONFIG) => store.revocations.epoch(userIdentifier, configId),

    async revokeUser(userIdentifier) {
      const revokedAt = new Date(clock())
      const ended = await commit(async (inner, notes) => {
        await inner.lockUser(userIdentifier)
        await inner.revocations.raise(userIdentifier, undefined, revokedAt)
        const linksCancelled = await inner.links.countOpen(userIdentifier, revokedAt)
        const instancesDeleted = await deleteInstances(inner, userIdentifier)
        const removed = await removeAll(inner, notes, userIdentifier, revokedAt)
        await notes.note('user', userIdentifier, revokedAt)
        return { linksCancelled, instancesDeleted, removed }
      })
      const given = await upstreamRevocations.finish(userIdentifier)
      const { removed, ...counts } = ended
      return { userIdentifier, revokedAt, ...counts, connectedAccounts: receiptOf(removed, given) }
    },

    async removeAccount(accountId) {
      const removed = await commit(async (inner, notes) => {
        const found = await inner.accounts.get(accountId)
        if (found === undefined) return undefined
        await inner.lockUser(found.userIdentifier)
        const account = await inner.accounts.get(accountId)
        return account && { account, had: await remove(inner, notes, account, new Date(clock())) }
      })
      if (removed === undefined) throw new GatewayError('not_found', 'There is no connected account with this id.')
      const given = await upstreamRevocations.finish(removed.account.userIdentifier)
      const ofAccount = given.filter((one) => one.accountId === accountId)
      const [receipt] = receiptOf([removed], ofAccount)
      if (receipt === undefined) throw new GatewayError('internal', 'The account was removed without a receipt.')
      return receipt
    },
  }

  function remove(inner: Store, { record }: Notes, account: StoredAccount, at: Date): Promise<Removed> {
    return removeAccount(inner, account, { vault, record, at, dueAt: new Date(at.getTime() + REVOCATION_LEASE_MS) })
  }

  async function removeAll(inner: Store, notes: Notes, userIdentifier: string, at: Date): Promise<RemovedAccount[]> {
    const removed: RemovedAccount[] = []
    for (;;) {
      const accounts = await inner.accounts.list({ userIdentifier, limit: PAGE })
      for (const account of accounts) removed.push({ account, had: await remove(inner, notes, account, at) })
      if (accounts.length < PAGE) return removed
    }
  }

  /** With what an earlier call, or a process that was killed, had left of the user. */
  function receiptOf(removed: readonly RemovedAccount[], given: readonly GivenBack[]): readonly RevokedAccount[] {
    const accounts = new Map(given.map(({ accountId, connectionId }) => [accountId, connectionId]))
    for (const { account } of removed) accounts.set(account.id, account.connectionId)
    return [...accounts].map(([accountId, connectionId]) => ({
      accountId,
      connectionId,
      connectionName: registry.connection(connectionId)?.name ?? connectionId,
      upstreamRevocation: outcomeOf(
        removed.find(({ account }) => account.id === accountId)?.had,
        given.filter((one) => one.accountId === accountId).map(({ outcome }) => outcome),
      ),
    }))
  }
}

interface RemovedAccount {
  readonly account: StoredAccount
  readonly had: Removed
}

async function deleteInstances(inner: Store, userIdentifier: string): Promise<number> {
  let count = 0
  for (;;) {
    const instances = await inner.instances.list({ userIdentifier, limit: PAGE })
    for (const instance of instances) if (await inner.instances.delete(instance)) count += 1
    if (instances.length < PAGE) return count
  }
}

/** The worst that came of any grant of the account. */
function outcomeOf(had: Removed | undefined, outcomes: readonly UpstreamRevocation[]): UpstreamRevocation {
  if (had === 'unreadable' || outcomes.includes('failed')) return 'failed'
  if (outcomes.includes('not_offered')) return 'not_offered'
  if (outcomes.includes('revoked')) return 'revoked'
  // Somebody else was faster to tell the server, and knows what came of it.
  return had === 'kept' ? 'failed' : 'not_applicable'
}
