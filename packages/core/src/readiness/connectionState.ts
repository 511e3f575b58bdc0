import type { CONNECTED_ACCOUNT_STATUSES } from '../wire/constants.ts'

/** A status the service may report. Only `ACTIVE` is usable; one that is not known here counts as not ready. */
export type ConnectedAccountStatus = (typeof CONNECTED_ACCOUNT_STATUSES)[number] | (string & {})

/**
 * One connection of an instance, and how far its user is in authorizing it.
 *
 * The authentication link is a secret: it does not show when the object is logged, inspected or serialised. Read
 * `authenticationLink` to show it to the user it was made for.
 */
export class ConnectionState {
  readonly connectionId: string
  readonly connectionName: string
  readonly provider: string | undefined
  readonly connectedAccountId: string | undefined
  readonly status: ConnectedAccountStatus
  readonly #authenticationLink: string | undefined
  readonly #expiresAt: Date | undefined

  constructor(init: {
    connectionId: string
    connectionName: string
    provider?: string | undefined
    connectedAccountId?: string | undefined
    status: ConnectedAccountStatus
    authenticationLink?: string | undefined
    authenticationLinkExpiresAt?: Date | undefined
  }) {
    this.connectionId = init.connectionId
    this.connectionName = init.connectionName
    this.provider = init.provider
    this.connectedAccountId = init.connectedAccountId
    this.status = init.status
    this.#authenticationLink = init.authenticationLink
    this.#expiresAt = init.authenticationLinkExpiresAt
  }

  /** Where the user goes to connect this account: single use, expires. Undefined unless links were asked for. */
  get authenticationLink(): string | undefined {
    return this.#authenticationLink
  }

  /** When the link stops working, where the service says so. */
  get authenticationLinkExpiresAt(): Date | undefined {
    return this.#expiresAt
  }

  get isActive(): boolean {
    return this.status === 'ACTIVE'
  }
}
