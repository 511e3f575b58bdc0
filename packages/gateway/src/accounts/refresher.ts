import { LRUCache } from 'lru-cache'
import type { ConnectedAccount, Connection, Credential } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Accounts, Clock, OAuth } from '../services.ts'
import type { LockStore, RefreshStore } from '../store/store.ts'
import { isConsentRequired, type Opened, type OpenedCredentials } from './openedCredentials.ts'
import { coolsDownUntil } from './refreshCooldown.ts'
import { isExpired } from './refreshDue.ts'

export interface RefresherOptions {
  readonly opened: OpenedCredentials
  readonly accounts: Pick<Accounts, 'replaceCredential'>
  readonly refreshes: RefreshStore
  readonly locks: LockStore
  readonly oauth: Pick<OAuth, 'refresh'>
  readonly clock: Clock
}

export interface Refresher {
  /** Joins the refresh that is under way, or begins one. `generation` is the one that is no good any more. */
  readonly refresh: (connection: Connection, accountId: string, generation: number) => Promise<Opened>
  /**
   * Ends the doubt about a refresh that somebody began who is dead, or who got no answer: asks once more, as servers
   * forgive for a few seconds. Does nothing while somebody is at it, here or in another process, or while nobody is to
   * ask: false then. Never rejects.
   */
  readonly settle: (connection: Connection, accountId: string, generation: number) => Promise<boolean>
  /** Resolves when what is under way has ended: a refresh that is cut off may cost the grant. */
  readonly idle: () => Promise<void>
}

type OAuthCredential = Credential & { type: 'oauth2' }

const MAX_REMEMBERED = 2000

/**
 * Refreshes a grant exactly once, however many ask in however many processes (security T63–T66). Within the process there
 * is one flight for an account; between processes one lock, which ends with its holder. What was read before the lock is
 * read again. The generation is the fence: whoever lost the lock on the way cannot write over somebody else's credential,
 * and can still write its own. That a request is about to be sent is committed before, so that whoever finds the lock
 * free and no outcome knows that the holder died.
 */
export function createRefresher({ opened, accounts, refreshes, locks, oauth, clock }: RefresherOptions): Refresher {
  const underWay = new Map<string, Promise<Opened>>()
  const others = new Set<Promise<unknown>>()
  const unwritten = new Map<string, { generation: number; credential: OAuthCredential }>()
  const failures = new LRUCache<string, { generation: number; until: number }>({ max: MAX_REMEMBERED })

  function isCoolingDown(accountId: string, generation: number): boolean {
    const failed = failures.get(accountId)
    return failed !== undefined && failed.generation === generation && failed.until > clock()
  }

  /** Runs while this process, and no other, holds the account's lock. */
  async function refreshAlone(connection: Connection, accountId: string, generation: number): Promise<Opened> {
    const current = await opened.reopen(connection, accountId)
    const { account, credential } = current
    const kept = unwritten.get(accountId)
    // The user has consented anew since.
    if (kept !== undefined && kept.generation < account.generation) unwritten.delete(accountId)
    if (account.generation > generation || credential.type !== 'oauth2') return current
    if (kept?.generation === account.generation) return write(connection, account, kept.credential)
    if (await noteCooldown(account, credential)) throw notRenewed(connection)
    return request(connection, account, credential)
  }

  /** Learns from the store what failed in any process. True while nobody is to ask again. */
  async function noteCooldown({ id, generation }: ConnectedAccount, credential: OAuthCredential): Promise<boolean> {
    const until = coolsDownUntil(await refreshes.get(id), isExpired(credential, clock()), clock())
    failures.set(id, { generation, until })
    return until > clock()
  }

  async function request(connection: Connection, account: ConnectedAccount, credential: OAuthCredential) {
    const attempt = { isOvertaken: false, isInDoubt: false }
    const beforeRequest = async () => {
      attempt.isOvertaken = !(await refreshes.begin(account, new Date(clock())))
      if (attempt.isOvertaken) throw notRenewed(connection)
      attempt.isInDoubt = true
    }
    const onRefusal = () => void (attempt.isInDoubt = false)
    let renewed: OAuthCredential
    try {
      renewed = await oauth.refresh(connection, credential, { beforeRequest, onRefusal })
    } catch (error) {
      if (attempt.isOvertaken) return opened.reopen(connection, account.id)
      if (isConsentRequired(error)) return opened.expire(connection, account, error.message)
      await refreshes.fail(account, { at: new Date(clock()), inDoubt: attempt.isInDoubt })
      await noteCooldown(account, credential)
      throw error
    }
    return write(connection, account, renewed)
  }

  async function write(connection: Connection, account: ConnectedAccount, renewed: OAuthCredential): Promise<Opened> {
    // The old refresh token may be spent: until the new one is written, it is kept here and not asked for again.
    unwritten.set(account.id, { generation: account.generation, credential: renewed })
    const written = await accounts.replaceCredential(account, renewed)
    unwritten.delete(account.id)
    if (!written) return opened.reopen(connection, account.id)
    return opened.remember({ account: written, credential: renewed })
  }

  return {
    refresh(connection, accountId, generation) {
      const flight = underWay.get(accountId)
      if (flight) return flight
      if (isCoolingDown(accountId, generation)) return Promise.reject(notRenewed(connection))
      const promise = locks
        .hold(lockOf(accountId), () => refreshAlone(connection, accountId, generation))
        .finally(() => underWay.delete(accountId))
      underWay.set(accountId, promise)
      return promise
    },
    async settle(connection, accountId, generation) {
      if (underWay.has(accountId) || isCoolingDown(accountId, generation)) return false
      let isTried = false
      const refresh = async () => {
        isTried = true
        await refreshAlone(connection, accountId, generation)
      }
      // Whatever it is, it was noted, and is tried again.
      const settling = locks.holdIfFree(lockOf(accountId), refresh).catch(() => {})
      others.add(settling)
      await settling.finally(() => others.delete(settling))
      return isTried
    },
    idle: async () => void (await Promise.allSettled([...underWay.values(), ...others])),
  }
}

function lockOf(accountId: string): string {
  return `refresh:${accountId}`
}

function notRenewed(connection: Connection): GatewayError {
  return new GatewayError(
    'upstream_unavailable',
    `${connection.displayName} did not renew its access. Try again later.`,
  )
}
