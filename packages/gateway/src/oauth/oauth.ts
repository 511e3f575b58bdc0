import { createOutboundPolicy } from '../http/outboundPolicy.ts'
import type { Clock, GuardedFetch, OAuth, Vault } from '../services.ts'
import type { RegistrationStore } from '../store/store.ts'
import { beginAuthorization } from './begin.ts'
import { completeAuthorization } from './complete.ts'
import { clientDocument } from './clientMetadata.ts'
import type { OAuthContext } from './context.ts'
import { createDiscovery } from './discovery.ts'
import { createOurAddresses } from './ourAddresses.ts'
import { refreshGrant } from './refresh.ts'
import { revokeGrant } from './revoke.ts'
import { createRegistrar } from './registrar.ts'

export interface OAuthOptions {
  readonly fetch: GuardedFetch
  readonly registrations: RegistrationStore
  readonly vault: Vault
  readonly publicUrl: string | URL
  readonly clock: Clock
  /** What authorization servers show for us where we register dynamically. Default: `Latchkey`. */
  readonly clientName?: string
  /** Whether authorization servers may be on loopback, over http too. Default: if we are there ourselves. */
  readonly allowLoopback?: boolean
}

/** OAuth 2.1 towards upstreams, as the MCP 2026-07-28 authorization specification has it. Knows of no account and no page. */
export function createOAuth({
  fetch,
  registrations,
  vault,
  publicUrl,
  clock,
  clientName = 'Latchkey',
  allowLoopback = new URL(publicUrl).protocol === 'http:',
}: OAuthOptions): OAuth {
  const context: OAuthContext = {
    fetch,
    registrations,
    vault,
    clock,
    clientName,
    allowLoopback,
    policy: createOutboundPolicy({ allowLoopback }),
    addresses: createOurAddresses(publicUrl),
  }
  const parts = { discovery: createDiscovery(context), registrar: createRegistrar(context) }
  return {
    clientMetadata: (file) => clientDocument(context, file),
    begin: (connection, scope) => beginAuthorization(context, parts, connection, scope),
    complete: (connection, attempt, callbackUrl) =>
      completeAuthorization(context, parts, connection, attempt, callbackUrl),
    refresh: (connection, credential, watch) => refreshGrant(context, parts, connection, credential, watch),
    revoke: (connection, credential) => revokeGrant(context, parts, connection, credential),
  }
}
