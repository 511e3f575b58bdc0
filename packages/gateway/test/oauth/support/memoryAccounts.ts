import { randomBytes, randomUUID } from 'node:crypto'
import type { AccountStatus, ConnectedAccount, Connection, Credential } from '../../../src/domain.ts'
import { GatewayError } from '../../../src/errors.ts'
import type { Accounts, Clock, LinkState } from '../../../src/services.ts'
import type { AccountKey, RefreshState, RefreshStore } from '../../../src/store/store.ts'

type Parts = Pick<Accounts, 'findLink' | 'activate' | 'replaceCredential' | 'readCredential' | 'setStatus'>

export interface MemoryAccounts extends Parts {
  readonly refreshes: RefreshStore
  add(connection: Connection, userIdentifier?: string): string
  /** Mints a link for an account; gives its token. */
  link(accountId: string): string
  account(accountId: string): ConnectedAccount
  readonly activations: number
  /** Why statuses were changed, as far as somebody said so. */
  readonly reasons: readonly string[]
  /** The next activation finds that the account was changed at the same moment, as a store with replicas can. */
  interruptNext(): void
}

interface Row {
  account: ConnectedAccount
  readonly connection: Connection
  credential: Credential | undefined
  refresh: RefreshState
}

const NO_REFRESH: RefreshState = { startedAt: undefined, failedAt: undefined, failures: 0 }

interface Link {
  readonly id: string
  readonly accountId: string
  readonly expiresAt: Date
  used: boolean
}

/** Accounts and their links without a database: the rules of `Accounts`, as far as consent and refresh lean on them. */
export function createMemoryAccounts(clock: Clock): MemoryAccounts {
  const rows = new Map<string, Row>()
  const links = new Map<string, Link>()
  const reasons: string[] = []
  let activations = 0
  let isInterrupted = false

  function row(accountId: string): Row {
    const found = rows.get(accountId)
    if (!found) throw new Error('no such account')
    return found
  }

  function write(accountId: string, change: { status?: AccountStatus; credential?: Credential }): ConnectedAccount {
    const kept = row(accountId)
    const raised = change.credential === undefined ? 0 : 1
    kept.account = {
      ...kept.account,
      status: change.status ?? kept.account.status,
      generation: kept.account.generation + raised,
      updatedAt: new Date(clock()),
    }
    kept.credential = change.credential ?? kept.credential
    if (change.credential !== undefined) kept.refresh = NO_REFRESH
    return kept.account
  }

  function stateOf({ used, expiresAt }: Link): LinkState['state'] {
    if (used) return 'used'
    return expiresAt.getTime() <= clock() ? 'expired' : 'open'
  }

  function refreshing({ id, generation }: AccountKey): Row | undefined {
    const kept = row(id)
    return kept.account.generation === generation && kept.account.status === 'ACTIVE' ? kept : undefined
  }

  return {
    refreshes: {
      get: async (accountId) => row(accountId).refresh,
      begin: async (key, at) => {
        const kept = refreshing(key)
        if (kept) kept.refresh = { ...kept.refresh, startedAt: at }
        return kept !== undefined
      },
      fail: async (key, { at, inDoubt }) => {
        const kept = refreshing(key)
        if (!kept) return
        const { startedAt, failures } = kept.refresh
        kept.refresh = { startedAt: inDoubt ? startedAt : undefined, failedAt: at, failures: failures + 1 }
      },
      inDoubt: async () =>
        [...rows.values()].filter(({ refresh }) => refresh.startedAt !== undefined).map(({ account }) => account),
    },
    get activations() {
      return activations
    },
    reasons,
    interruptNext() {
      isInterrupted = true
    },
    add(connection, userIdentifier = 'user_123') {
      const id = `ca_${randomUUID()}`
      const now = new Date(clock())
      const account: ConnectedAccount = {
        id,
        connectionId: connection.id,
        userIdentifier,
        status: 'PENDING_AUTH',
        generation: 0,
        createdAt: now,
        updatedAt: now,
      }
      rows.set(id, { account, connection, credential: undefined, refresh: NO_REFRESH })
      return id
    },
    link(accountId) {
      const token = `lklink_${randomBytes(32).toString('base64url')}`
      links.set(token, { id: randomUUID(), accountId, expiresAt: new Date(clock() + 600_000), used: false })
      return token
    },
    account: (accountId) => row(accountId).account,
    async findLink(token) {
      const link = links.get(token)
      if (!link) return undefined
      const { account, connection } = row(link.accountId)
      return { id: link.id, account, connection, state: stateOf(link), expiresAt: link.expiresAt }
    },
    async activate(linkId, credential) {
      const link = [...links.values()].find(({ id }) => id === linkId)
      if (!link || stateOf(link) !== 'open') return false
      if (isInterrupted) {
        isInterrupted = false
        throw new GatewayError('conflict', 'The account was changed at the same moment. Try again.')
      }
      link.used = true
      activations += 1
      write(link.accountId, { status: 'ACTIVE', credential })
      return true
    },
    async readCredential(accountId) {
      const { account, credential } = row(accountId)
      return credential && { account, credential }
    },
    async replaceCredential(account, credential) {
      if (row(account.id).account.generation !== account.generation) return undefined
      return write(account.id, { credential })
    },
    async setStatus(account, status, reason) {
      if (row(account.id).account.generation !== account.generation) return false
      if (reason !== undefined) reasons.push(reason)
      write(account.id, { status })
      return true
    },
  }
}
