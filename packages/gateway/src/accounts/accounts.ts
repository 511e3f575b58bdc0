import type { AccountStatus, ConnectedAccount, Connection, Credential, McpConfig } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { AccountOfConnection, Accounts, Clock, Registry, Vault } from '../services.ts'
import { newId } from '../store/newId.ts'
import type { AccountKey, Store, StoredAccount } from '../store/store.ts'
import type { Commit, RecordEvent } from './commit.ts'
import { createLinks } from './links.ts'
import { openCredential, sealCredential } from './sealedCredential.ts'

export interface AccountsOptions {
  readonly store: Store
  readonly vault: Vault
  readonly registry: Registry
  readonly commit: Commit
  readonly publicUrl: URL
  readonly clock: Clock
  /** How long an authentication link works, in milliseconds. Default: 600,000 (ten minutes). */
  readonly linkLifetimeMs?: number | undefined
}

const LINK_LIFETIME_MS = 10 * 60 * 1_000

/** What an account is, and every change of its status. */
export function createAccounts({
  store,
  vault,
  registry,
  commit,
  publicUrl,
  clock,
  linkLifetimeMs = LINK_LIFETIME_MS,
}: AccountsOptions): Accounts {
  const now = () => new Date(clock())

  return {
    ...createLinks({ store, registry, publicUrl, clock, lifetimeMs: linkLifetimeMs }),

    async ensureForConfig(config, userIdentifier) {
      const connections = connectionsOf(config, registry)
      const existing = await list(connections, userIdentifier)
      const missing = connections.filter(({ id }) => !existing.has(id))
      await store.accounts.insertMissing(missing.map((connection) => newAccount(connection, userIdentifier, now())))
      const accounts = missing.length === 0 ? existing : await list(connections, userIdentifier)
      return await Promise.all(connections.flatMap((connection) => settled(connection, accounts.get(connection.id))))
    },

    get: (accountId) => store.accounts.get(accountId),

    activate: (linkId, credential) =>
      commit(async (inner, { record }) => {
        if (!(await inner.links.consume(linkId, now()))) return false
        const link = await inner.links.get(linkId)
        const account = link && (await inner.accounts.get(link.accountId))
        if (account === undefined) return false
        // Somebody else finished meanwhile, with another link: theirs stays.
        if (account.status === 'ACTIVE') throw changedMeanwhile()
        // Undoes the use of the link too: the person can try again.
        if (!(await write(inner, account, credential, 'ACTIVE'))) throw changedMeanwhile()
        await record(account, 'ACTIVE', now())
        return true
      }),

    async replaceCredential(account, credential) {
      return await store.transaction(async (inner) => {
        const current = await inner.accounts.get(account.id)
        // Somebody has removed the account meanwhile: what the provider gave must not bring it back.
        if (current === undefined || current.status === 'DISCONNECTED') return undefined
        const written = await write(inner, { ...account, status: current.status }, credential, current.status)
        return written ? await inner.accounts.get(account.id) : undefined
      })
    },

    async readCredential(accountId) {
      const read = await store.accounts.readCredential(accountId)
      return read && { account: read.account, credential: openCredential(vault, read.account, read.sealed) }
    },

    setStatus: (account, status) => commit((inner, { record }) => setStatus(inner, record, account, status)),
  }

  async function list(connections: readonly Connection[], userIdentifier: string) {
    const ids = connections.map(({ id }) => id)
    const accounts = await store.accounts.listForUser(userIdentifier, ids)
    return new Map(accounts.map((account) => [account.connectionId, account]))
  }

  /** An account whose connection has changed its kind of authorization since gets the status that now is true. */
  function settled(connection: Connection, account: StoredAccount | undefined): [Promise<AccountOfConnection>] | [] {
    if (account === undefined) return []
    const status = trueStatus(connection, account)
    return [
      status === account.status ? Promise.resolve({ connection, account }) : corrected(connection, account, status),
    ]
  }

  async function corrected(connection: Connection, account: StoredAccount, status: AccountStatus) {
    await commit((inner, { record }) => setStatus(inner, record, account, status))
    return { connection, account: (await store.accounts.get(account.id)) ?? account }
  }

  async function setStatus(inner: Store, record: RecordEvent, account: ConnectedAccount, status: AccountStatus) {
    const current = await inner.accounts.get(account.id)
    if (current === undefined || current.generation !== account.generation || current.status === status) return false
    if (!(await inner.accounts.setStatus(keyOf(account), status, now()))) return false
    await record(current, status, now())
    return true
  }

  async function write(inner: Store, account: ConnectedAccount, credential: Credential, status: AccountStatus) {
    const sealed = sealCredential(vault, account, account.generation + 1, credential)
    return await inner.accounts.setCredential(keyOf(account), { sealed, status, at: now() })
  }
}

function changedMeanwhile(): GatewayError {
  return new GatewayError('conflict', 'The account was changed at the same moment. Try again.')
}

function keyOf({ id, userIdentifier, generation }: ConnectedAccount): AccountKey {
  return { id, userIdentifier, generation }
}

/** In the config's order. A connection that the configuration no longer names is nothing that a user could connect. */
function connectionsOf(config: McpConfig, registry: Registry): readonly Connection[] {
  return config.mappings.flatMap(({ connectionId }) => registry.connection(connectionId) ?? [])
}

function newAccount(connection: Connection, userIdentifier: string, at: Date): ConnectedAccount {
  return {
    id: newId('ca'),
    connectionId: connection.id,
    userIdentifier,
    status: connection.auth.type === 'none' ? 'ACTIVE' : 'PENDING_AUTH',
    generation: 0,
    createdAt: at,
    updatedAt: at,
  }
}

function trueStatus(connection: Connection, account: StoredAccount): AccountStatus {
  if (connection.auth.type === 'none') return account.status === 'DISCONNECTED' ? 'DISCONNECTED' : 'ACTIVE'
  return account.status === 'ACTIVE' && !account.hasCredential ? 'PENDING_AUTH' : account.status
}
