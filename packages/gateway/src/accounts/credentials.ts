import { LRUCache } from 'lru-cache'
import type { ConnectedAccount, Connection, Credential } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Accounts, Clock, Credentials, OAuth, OpenedCredential } from '../services.ts'
import { credentialHeaders } from './credentialHeaders.ts'
import { isExpired, isRefreshDue } from './refreshDue.ts'

export interface CredentialsOptions {
  readonly accounts: Pick<Accounts, 'readCredential' | 'replaceCredential' | 'setStatus'>
  readonly oauth: Pick<OAuth, 'refresh'>
  readonly clock: Clock
  /** How long a failed refresh speaks for those who ask after it, in milliseconds. Default 5,000. */
  readonly cooldownMs?: number
}

type OAuthCredential = Credential & { type: 'oauth2' }
type Opened = { readonly account: ConnectedAccount; readonly credential: Credential }

const MAX_REMEMBERED = 2000
/** A credential that came by a refresh after a 401 and is refused within this time is hopeless, in milliseconds. */
const HOPELESS_WITHIN_MS = 60_000

/**
 * The headers that a call to an upstream needs, refreshed when that is due. One refresh at a time for an account,
 * however many ask; a write wins only if nobody wrote meanwhile; a failure that may pass never costs the grant
 * (security T63, T66).
 */
export function createCredentials({ accounts, oauth, clock, cooldownMs = 5000 }: CredentialsOptions): Credentials {
  const opened = new LRUCache<string, Opened>({ max: MAX_REMEMBERED })
  const refreshing = new Map<string, Promise<Opened>>()
  const unwritten = new Map<string, { generation: number; credential: OAuthCredential }>()
  const failures = new LRUCache<string, { generation: number; error: unknown; until: number }>({ max: MAX_REMEMBERED })
  const renewedAfterRefusal = new LRUCache<string, { generation: number; at: number }>({ max: MAX_REMEMBERED })

  /** A generation is written once, so what was opened for it stays true; the status comes with the caller's account. */
  async function open(connection: Connection, account: ConnectedAccount): Promise<Opened> {
    const known = opened.get(account.id)
    return known?.account.generation === account.generation ? known : reopen(connection, account.id)
  }

  async function reopen(connection: Connection, accountId: string): Promise<Opened> {
    const found = await accounts.readCredential(accountId)
    if (!found || found.account.status !== 'ACTIVE') throw consentRequired(connection)
    if (!belongsTo(connection, found.credential)) return expire(connection, found.account)
    opened.set(accountId, found)
    return found
  }

  /** Only the user can help. Unless somebody wrote a new credential meanwhile: then that one is good. */
  async function expire(connection: Connection, account: ConnectedAccount): Promise<Opened> {
    opened.delete(account.id)
    if (await accounts.setStatus(account, 'EXPIRED')) throw consentRequired(connection)
    const current = await accounts.readCredential(account.id)
    const isNewer = current?.account.status === 'ACTIVE' && current.account.generation > account.generation
    if (!isNewer || !belongsTo(connection, current.credential)) throw consentRequired(connection)
    return current
  }

  /** Joins the refresh that is under way, or begins one. `generation` is the one that is no good any more. */
  function refresh(connection: Connection, accountId: string, generation: number): Promise<Opened> {
    const underWay = refreshing.get(accountId)
    if (underWay) return underWay
    const failed = failures.get(accountId)
    if (failed && failed.generation === generation && failed.until > clock()) return Promise.reject(failed.error)
    const promise = refreshOnce(connection, accountId, generation).finally(() => refreshing.delete(accountId))
    refreshing.set(accountId, promise)
    return promise
  }

  async function refreshOnce(connection: Connection, accountId: string, generation: number): Promise<Opened> {
    const current = await reopen(connection, accountId)
    const { account, credential } = current
    if (account.generation > generation || credential.type !== 'oauth2') return current
    const kept = unwritten.get(accountId)
    if (kept?.generation === account.generation) return store(connection, account, kept.credential)
    let renewed: OAuthCredential
    try {
      renewed = await oauth.refresh(connection, credential)
    } catch (error) {
      if (isConsentRequired(error)) return expire(connection, account)
      failures.set(accountId, { generation, error, until: clock() + cooldownMs })
      throw error
    }
    return store(connection, account, renewed)
  }

  async function store(connection: Connection, account: ConnectedAccount, renewed: OAuthCredential): Promise<Opened> {
    // The old refresh token may be spent: until the new one is written, it is kept here and not asked for again.
    unwritten.set(account.id, { generation: account.generation, credential: renewed })
    const written = await accounts.replaceCredential(account, renewed)
    unwritten.delete(account.id)
    if (!written) return reopen(connection, account.id)
    const current = { account: written, credential: renewed }
    opened.set(account.id, current)
    return current
  }

  async function currentCredential(connection: Connection, account: ConnectedAccount): Promise<Opened> {
    const current = await open(connection, account)
    const { credential } = current
    if (credential.type !== 'oauth2' || !isRefreshDue(credential, current.account.updatedAt, clock())) return current
    try {
      return await refresh(connection, account.id, current.account.generation)
    } catch (error) {
      if (isConsentRequired(error) || isExpired(credential, clock())) throw error
      return current
    }
  }

  async function renewRefused(connection: Connection, account: ConnectedAccount, generation: number): Promise<Opened> {
    const current = await reopen(connection, account.id)
    if (current.account.generation > generation) return current
    const renewedBefore = renewedAfterRefusal.get(account.id)
    const hopeless = renewedBefore?.generation === generation && clock() - renewedBefore.at < HOPELESS_WITHIN_MS
    if (hopeless || current.credential.type !== 'oauth2') return expire(connection, current.account)
    const renewed = await refresh(connection, account.id, generation)
    renewedAfterRefusal.set(account.id, { generation: renewed.account.generation, at: clock() })
    return renewed
  }

  return {
    async headersFor(connection, account) {
      if (account.status !== 'ACTIVE') throw consentRequired(connection)
      if (connection.auth.type === 'none') return { generation: account.generation, headers: {} }
      return asHeaders(connection, await currentCredential(connection, account))
    },
    async afterRefusal(connection, account, refused) {
      if (connection.auth.type === 'none') {
        const message = `${connection.displayName} wants authorization, but the gateway's configuration says "none".`
        throw new GatewayError('upstream_invalid', message)
      }
      return asHeaders(connection, await renewRefused(connection, account, refused.generation))
    },
  }
}

function asHeaders(connection: Connection, { account, credential }: Opened): OpenedCredential {
  return { generation: account.generation, headers: credentialHeaders(connection, credential) }
}

/** A connection whose configuration changed since must not get what was meant for another server. */
function belongsTo({ auth, mcpServerUrl }: Connection, credential: Credential): boolean {
  if (credential.type !== auth.type) return false
  const origin = credential.type === 'oauth2' ? URL.parse(credential.resource)?.origin : credential.origin
  return origin === new URL(mcpServerUrl).origin
}

function isConsentRequired(error: unknown): boolean {
  return error instanceof GatewayError && error.code === 'consent_required'
}

function consentRequired(connection: Connection): GatewayError {
  return new GatewayError('consent_required', `${connection.displayName} must be connected by its user.`)
}
