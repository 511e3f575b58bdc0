import { LRUCache } from 'lru-cache'
import type { ConnectedAccount, Connection, Credential } from '../domain.ts'
import { isOfAuth, serverOf } from '../credentialFields.ts'
import { GatewayError } from '../errors.ts'
import type { Accounts } from '../services.ts'

/** A credential in the clear, and the account as it was when it was read. */
export interface Opened {
  readonly account: ConnectedAccount
  readonly credential: Credential
}

export interface OpenedCredentials {
  /**
   * A generation is written once, so what was opened for it stays true; the status comes with the caller's account. It may
   * have been opened before the connection changed: `own` says.
   */
  readonly open: (connection: Connection, account: ConnectedAccount) => Promise<Opened>
  readonly reopen: (connection: Connection, accountId: string) => Promise<Opened>
  readonly remember: (opened: Opened) => Opened
  /** The same, unless the connection has changed since it was opened, so that it is another server's. */
  readonly own: (connection: Connection, opened: Opened) => Promise<Opened>
  /** Only the user can help. Unless somebody wrote a new credential meanwhile: then that one is good. */
  readonly expire: (connection: Connection, account: ConnectedAccount, reason: string) => Promise<Opened>
}

const MAX_REMEMBERED = 2000

/** Opens credentials, and keeps the last ones open. All but `remember` throw GatewayError `consent_required`. */
export function createOpenedCredentials(accounts: Pick<Accounts, 'readCredential' | 'setStatus'>): OpenedCredentials {
  const opened = new LRUCache<string, Opened>({ max: MAX_REMEMBERED })

  function remember(one: Opened): Opened {
    opened.set(one.account.id, one)
    return one
  }

  async function reopen(connection: Connection, accountId: string): Promise<Opened> {
    const found = await accounts.readCredential(accountId)
    if (!found || found.account.status !== 'ACTIVE') throw consentRequired(connection)
    return remember(await own(connection, found))
  }

  async function own(connection: Connection, one: Opened): Promise<Opened> {
    if (belongsTo(connection, one.credential)) return one
    return expire(
      connection,
      one.account,
      'The credential was made for another server or another kind of authorization.',
    )
  }

  async function expire(connection: Connection, account: ConnectedAccount, reason: string): Promise<Opened> {
    opened.delete(account.id)
    if (await accounts.setStatus(account, 'EXPIRED', reason)) throw consentRequired(connection)
    const current = await accounts.readCredential(account.id)
    const isNewer = current?.account.status === 'ACTIVE' && current.account.generation > account.generation
    if (!isNewer || !belongsTo(connection, current.credential)) throw consentRequired(connection)
    return current
  }

  return {
    open: async (connection, account) => {
      const known = opened.get(account.id)
      return known?.account.generation === account.generation ? known : reopen(connection, account.id)
    },
    reopen,
    remember,
    own,
    expire,
  }
}

export function consentRequired(connection: Connection): GatewayError {
  return new GatewayError('consent_required', `${connection.displayName} must be connected by its user.`)
}

export function isConsentRequired(error: unknown): error is GatewayError {
  return error instanceof GatewayError && error.code === 'consent_required'
}

/** A connection whose configuration changed since must not get what was meant for another server. */
function belongsTo(connection: Connection, credential: Credential): boolean {
  if (!isOfAuth(connection.auth, credential)) return false
  const origin = credential.type === 'oauth2' ? URL.parse(credential.resource)?.origin : credential.origin
  return origin === serverOf(connection)
}
