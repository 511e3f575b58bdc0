import type {
  EnsuredInstance,
  MagicLink,
  McpInstance,
  SessionToken,
  StatusEvent,
  UserRevocation,
} from '../backends/backend.ts'
import { PrivateMagicLink } from '../backends/privateMagicLink.ts'
import { PrivateInstance } from '../backends/privateInstance.ts'
import { PrivateSessionToken } from '../backends/privateSessionToken.ts'
import { ConnectionState } from '../readiness/connectionState.ts'
import type { WireUserRevocation } from './revocationSchemas.ts'
import type {
  WireEnsuredInstance,
  WireInstance,
  WireReadConnectionAuthState,
  WireReadSessionToken,
  WireStatusEvent,
} from './schemas.ts'

/** `configName` is what was asked for: not every answer repeats it. */
export function toInstance(wire: WireInstance, configName: string): McpInstance {
  return new PrivateInstance({
    id: wire.id,
    userIdentifier: wire.user_identifier,
    configName: wire.config?.name ?? configName,
    configId: wire.config?.id,
    url: wire.url,
    mcpServerUrl: wire.config?.mcp_server_url,
  })
}

/** Whoever has no account yet has not authorized anything. */
export function toConnectionState(wire: WireReadConnectionAuthState): ConnectionState {
  const name = wire.connection_name || wire.connection_id || ''
  return new ConnectionState({
    connectionId: wire.connection_id || name,
    connectionName: name,
    provider: wire.provider || undefined,
    connectedAccountId: wire.connected_account_id || undefined,
    status: wire.connected_account_status || 'PENDING_AUTH',
    authenticationLink: wire.authentication_link || undefined,
    authenticationLinkExpiresAt: toDate(wire.authentication_link_expires_at),
  })
}

export function toSessionToken(wire: WireReadSessionToken): SessionToken {
  return new PrivateSessionToken(wire.token, toDate(wire.expires_at) ?? new Date(0))
}

export function toMagicLink(wire: { link: string; expiry?: string | undefined }): MagicLink {
  return new PrivateMagicLink(wire.link, toDate(wire.expiry))
}

export function toUserRevocation(wire: WireUserRevocation): UserRevocation {
  return {
    userIdentifier: wire.user_identifier,
    revokedAt: new Date(wire.revoked_at),
    instancesDeleted: wire.instances_deleted,
    linksCancelled: wire.links_cancelled,
    connectedAccounts: wire.connected_accounts.map((account) => ({
      connectionName: account.connection_name,
      connectedAccountId: account.connected_account_id,
      upstreamRevocation: account.upstream_revocation,
    })),
  }
}

export function toEnsuredInstance(wire: WireEnsuredInstance, configName: string): EnsuredInstance {
  return {
    instance: toInstance(wire.instance, configName),
    authState: wire.auth_state?.connections.map(toConnectionState),
    sessionToken: wire.session_token && toSessionToken(wire.session_token),
    discoverResult: wire.discover_result,
  }
}

export function toStatusEvent(wire: WireStatusEvent, id: string | undefined): StatusEvent {
  return {
    id,
    userIdentifier: wire.data.identifier,
    connectionId: wire.data.connection_id,
    connectionName: wire.data.connection_name,
    status: wire.data.status,
  }
}

export function toDate(value: string | undefined): Date | undefined {
  const date = new Date(value ?? Number.NaN)
  return Number.isNaN(date.getTime()) ? undefined : date
}
