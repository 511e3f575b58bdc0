import type { Connection } from '../domain.ts'
import type { WantedScope } from '../services.ts'
import { oauthOf } from './context.ts'
import type { Discovered } from './discovery.ts'

/**
 * What to ask for: what the configuration says, else what the upstream's challenge says, else all that its metadata
 * names, else nothing (MCP 2026-07-28, "Scope Selection Strategy"). `offline_access` is added where the server offers it:
 * it is how OpenID providers are asked for a refresh token. Where the upstream wants more than was granted, what was
 * granted and what it wants, and no more (security T33).
 */
export function selectScope(
  connection: Connection,
  { challengedScope, scopesSupported, server }: Discovered,
  wanted?: WantedScope,
): string | undefined {
  const configured = oauthOf(connection).scopes?.join(' ')
  const initial = configured ?? challengedScope ?? scopesSupported?.join(' ')
  const scope = wanted === undefined ? initial : union(wanted.granted ?? initial, wanted.needed)
  if (scope === undefined || scope === '') return undefined
  const scopes = scope.split(' ')
  const offline = server.scopes_supported?.includes(OFFLINE_ACCESS) && !scopes.includes(OFFLINE_ACCESS)
  return offline ? `${scope} ${OFFLINE_ACCESS}` : scope
}

function union(granted = '', needed: string): string {
  return [...new Set(`${granted} ${needed}`.split(' ').filter((each) => each !== ''))].join(' ')
}

export const OFFLINE_ACCESS = 'offline_access'
