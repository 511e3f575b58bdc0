import { LRUCache } from 'lru-cache'
import type { ConnectedAccount, Connection } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Accounts, Clock, Credentials, OAuth, OpenedCredential } from '../services.ts'
import type { LockStore, RefreshStore } from '../store/store.ts'
import { presentCredential } from './presentCredential.ts'
import { createOpenedCredentials, consentRequired, isConsentRequired, type Opened } from './openedCredentials.ts'
import { isExpired, isRefreshDue } from './refreshDue.ts'
import { createRefresher } from './refresher.ts'
import { createSettling, type Settling } from './settling.ts'
import { withinTime } from './withinTime.ts'

export interface CredentialsOptions {
  readonly accounts: Pick<Accounts, 'readCredential' | 'replaceCredential' | 'setStatus'>
  readonly refreshes: RefreshStore
  readonly locks: LockStore
  readonly oauth: Pick<OAuth, 'refresh'>
  readonly clock: Clock
}

export interface ManagedCredentials extends Credentials, Settling {
  /** Waits for the refreshes that are under way. */
  close(): Promise<void>
}

const MAX_REMEMBERED = 2000
/** A credential that came by a refresh after a 401 and is refused within this time is hopeless, in milliseconds. */
const HOPELESS_WITHIN_MS = 60_000
/** How long a caller whose token still works waits for the one that replaces it, in milliseconds. */
const PATIENCE_MS = 2_000

/**
 * The headers that a call to an upstream needs, refreshed when that is due: exactly once, however many ask in however
 * many processes. A failure that may pass never costs the grant, and nobody notices it while the token still works.
 */
export function createCredentials(options: CredentialsOptions): ManagedCredentials {
  const { accounts, refreshes, clock } = options
  const opened = createOpenedCredentials(accounts)
  const { refresh, settle, idle } = createRefresher({ ...options, opened })
  const presented = new WeakMap<Opened, Presented>()
  const renewedAfterRefusal = new LRUCache<string, number>({ max: MAX_REMEMBERED })

  async function currentCredential(connection: Connection, account: ConnectedAccount): Promise<Opened> {
    const current = await opened.open(connection, account)
    const { credential } = current
    if (credential.type !== 'oauth2' || !isRefreshDue(credential, current.account.updatedAt, clock())) return current
    const renewal = refresh(connection, account.id, current.account.generation)
    if (isExpired(credential, clock())) return renewal
    try {
      return await withinTime(renewal, PATIENCE_MS)
    } catch (error) {
      if (isConsentRequired(error) || isExpired(credential, clock())) throw error
      return current
    }
  }

  async function renewRefused(connection: Connection, account: ConnectedAccount, generation: number): Promise<Opened> {
    const current = await opened.reopen(connection, account.id)
    if (current.account.generation > generation) return current
    if (current.credential.type !== 'oauth2' || isHopeless(current.account)) {
      return opened.expire(connection, current.account, `${connection.displayName} refused the credential.`)
    }
    const renewed = await refresh(connection, account.id, generation)
    renewedAfterRefusal.set(account.id, clock())
    return renewed
  }

  /** Also where another process has renewed it since: two that take turns would never come to an end. */
  function isHopeless({ id, updatedAt }: ConnectedAccount): boolean {
    const since = clock() - HOPELESS_WITHIN_MS
    return (renewedAfterRefusal.get(id) ?? 0) > since && updatedAt.getTime() > since
  }

  /** A credential stays open for many calls, and is presented in the same way in all of them: to its own server only. */
  async function asHeaders(connection: Connection, current: Opened): Promise<OpenedCredential> {
    const known = presented.get(current)
    if (known?.connection === connection) return known.headers
    const own = await opened.own(connection, current)
    const headers = { generation: own.account.generation, ...presentCredential(connection, own.credential) }
    presented.set(own, { connection, headers })
    return headers
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
    ...createSettling({ refreshes, settle }),
    close: idle,
  }
}

interface Presented {
  readonly connection: Connection
  readonly headers: OpenedCredential
}
