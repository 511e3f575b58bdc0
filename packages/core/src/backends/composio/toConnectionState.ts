import { ConnectionState, type ConnectedAccountStatus } from '../../readiness/connectionState.ts'
import { toDate } from '../../wire/mapping.ts'
import type { WireAccount, WireLink } from './schemas.ts'
import type { ComposioConnection } from './servers.ts'

/** A status of Composio in our words. One that is not known is not ACTIVE. */
const STATUSES: ReadonlyMap<string, ConnectedAccountStatus> = new Map([
  ['INITIALIZING', 'PENDING_AUTH'],
  ['INITIATED', 'PENDING_AUTH'],
  ['ACTIVE', 'ACTIVE'],
  ['EXPIRED', 'EXPIRED'],
  ['FAILED', 'DISCONNECTED'],
  ['INACTIVE', 'DISCONNECTED'],
  ['REVOKED', 'DISCONNECTED'],
])

/** Of several accounts the one that works, or else the first: the newest. */
export function toConnectionState(
  { authConfigId, name }: ComposioConnection,
  accounts: readonly WireAccount[],
  link?: WireLink,
): ConnectionState {
  const own = accounts.filter((account) => account.auth_config.id === authConfigId)
  const account = own.find((candidate) => statusOf(candidate) === 'ACTIVE') ?? own[0]
  return new ConnectionState({
    connectionId: authConfigId,
    connectionName: name,
    provider: name,
    connectedAccountId: link?.connected_account_id ?? account?.id,
    status: account ? statusOf(account) : 'PENDING_AUTH',
    authenticationLink: link?.redirect_url,
    authenticationLinkExpiresAt: toDate(link?.expires_at),
  })
}

function statusOf({ status, auth_config: { is_disabled: isDisabled } }: WireAccount): ConnectedAccountStatus {
  return isDisabled === true ? 'DISCONNECTED' : (STATUSES.get(status) ?? status)
}
