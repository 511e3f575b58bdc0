import type { Connection } from '../domain.ts'
import { oauthOf } from './context.ts'
import type { Discovered } from './discovery.ts'

/**
 * What to ask for: what the configuration says, else what the upstream's challenge says, else all that its metadata
 * names, else nothing (MCP 2026-07-28, "Scope Selection Strategy"). `offline_access` is added where the server offers it:
 * it is how OpenID providers are asked for a refresh token.
 */
export function selectScope(
  connection: Connection,
  { challengedScope, scopesSupported, server }: Discovered,
): string | undefined {
  const configured = oauthOf(connection).scopes?.join(' ')
  const scope = configured ?? challengedScope ?? scopesSupported?.join(' ')
  if (scope === undefined || scope === '') return undefined
  const scopes = scope.split(' ')
  const offline = server.scopes_supported?.includes(OFFLINE_ACCESS) && !scopes.includes(OFFLINE_ACCESS)
  return offline ? `${scope} ${OFFLINE_ACCESS}` : scope
}

export const OFFLINE_ACCESS = 'offline_access'
