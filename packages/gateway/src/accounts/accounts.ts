import type { AccountStatus, ConnectedAccount, Connection, Credential, McpConfig } from '../domain.ts'
import type { AccountOfConnection, Accounts, Clock, Registry, Vault } from '../services.ts'
import { newId } from '../store/newId.ts'
import type { AccountKey, Store, StoredAccount } from '../store/store.ts'
import { createActivation } from './activation.ts'
import type { Commit, RecordEvent } from './commit.ts'
import { createLinks } from './links.ts'
import { createMakeActive } from './makeActive.ts'
import { keepForRevocation } from './pendingRevocations.ts'
import { createScopeRequests } from './scopeRequests.ts'
import { openCredential, sealCredential } from './sealedCredential.ts'
import { asOfNow, unlessRevoked } from './unlessRevoked.ts'
import { createVerification, type VerificationOptions } from './verification.ts'

export interface AccountsOptions extends Pick<VerificationOptions, 'verifyUrl' | 'finishRevocations'> {
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
  verifyUrl,
  finishRevocations,
}: AccountsOptions): Accounts {
  const now = () => new Date(clock())
  const makeActive = createMakeActive({ vault, clock })
  const scopeRequests = createScopeRequests({ store, vault, clock })
  const verification = createVerification({ store, vault, commit, clock, verifyUrl, finishRevocations }, makeActive)

  return {
    ...createLinks({ store, vault, registry, publicUrl, clock, lifetimeMs: linkLifetimeMs, scopeRequests }),
    requestScope: (account, scope) => scopeRequests.requestScope(account, scope),
    ...createActivation({ vault, commit, clock, verification }, makeActive),
    verifyUser: (request) => verification.verifyUser(request),
    discardUnverified: () => verification.discardUnverified(),

    async ensureForConfig(config, userIdentifier, given) {
      const asOf = given ?? (await asOfNow(store, userIdentifier))
      const connections = connectionsOf(config, registry)
      const existing = await list(connections, userIdentifier)
      const missing = connections.filter(({ id }) => !existing.has(id))
      if (missing.length > 0) {
        const made = missing.map((connection) => newAccount(connection, userIdentifier, now()))
        await unlessRevoked(store, userIdentifier, asOf, (inner) => inner.accounts.insertMissing(made))
      }
      const accounts = missing.length === 0 ? existing : await list(connections, userIdentifier)
      return await Promise.all(connections.flatMap((connection) => settled(connection, accounts.get(connection.id))))
    },

    get: (accountId) => store.accounts.get(accountId),

    async replaceCredential(account, credential) {
      return await store.transaction(async (inner) => {
        const current = await inner.accounts.get(account.id)
        // Somebody has removed the account meanwhile: what the provider gave must not bring it back, but go back.
        if (current === undefined) await keepForRevocation(inner, vault, account, credential, now())
        if (current === undefined || current.status === 'DISCONNECTED') return undefined
        const written = await write(inner, { ...account, status: current.status }, credential, current.status)
        return written ? await inner.accounts.get(account.id) : undefined
      })
    },

    async readCredential(accountId) {
      const read = await store.accounts.readCredential(accountId)
      return read && { account: read.account, credential: openCredential(vault, read.account, read.sealed) }
    },

    setStatus: (account, status, reason) =>
      commit((inner, { record }) => setStatus(inner, record, account, status, reason)),
  }

  async function list(connections: readonly Connection[], userIdentifier: string) {
    const ids = connections.map(({ id }) => id)
    const accounts = await store.accounts.listForUser(userIdentifier, ids)
    return new Map(accounts.map((account) => [account.connectionId, account]))
  }

  /** An account whose connection has changed its kind of authorization since gets the status that now is true. */
  function settled(connection: Connection, account: StoredAccount | undefined): [Promise<AccountOfConnection>] | [] {
    if (account === undefined) return []
    if (account.status === 'PENDING_VERIFICATION') return [unlessUnverified(connection, account)]
    const status = trueStatus(connection, account)
    return [
      status === account.status ? Promise.resolve({ connection, account }) : corrected(connection, account, status),
    ]
  }

  /** Nobody has verified it in time: it is what it was before, and not only once somebody looked for such. */
  async function unlessUnverified(connection: Connection, account: StoredAccount): Promise<AccountOfConnection> {
    await verification.settle(account)
    return { connection, account: (await store.accounts.get(account.id)) ?? account }
  }

  async function corrected(connection: Connection, account: StoredAccount, status: AccountStatus) {
    await commit((inner, { record }) => setStatus(inner, record, account, status))
    return { connection, account: (await store.accounts.get(account.id)) ?? account }
  }

  async function setStatus(
    inner: Store,
    record: RecordEvent,
    account: ConnectedAccount,
    status: AccountStatus,
    reason?: string,
  ) {
    const current = await inner.accounts.get(account.id)
    if (current === undefined || current.generation !== account.generation || current.status === status) return false
    if (!(await inner.accounts.setStatus(keyOf(account), status, now()))) return false
    await record(current, status, now(), reason)
    return true
  }

  async function write(inner: Store, account: ConnectedAccount, credential: Credential, status: AccountStatus) {
    const sealed = sealCredential(vault, account, account.generation + 1, credential)
    return await inner.accounts.setCredential(keyOf(account), { sealed, status, at: now() })
  }
}

function keyOf({ id, userIdentifier, generation }: ConnectedAccount): AccountKey {
  return { id, userIdentifier, generation }
}

/** In the config's order. A connection that the configuration no longer names is nothing that a user could connect. */
function connectionsOf(config: Pick<McpConfig, 'mappings'>, registry: Registry): readonly Connection[] {
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
