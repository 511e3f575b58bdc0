import type { McpConfig } from '../domain.ts'
import type { AccountOfConnection, Accounts } from '../services.ts'
import type { ListKind, UpstreamItem } from '../upstream/listPage.ts'
import type { Upstreams } from '../upstream/upstreams.ts'
import type { Principal } from './authenticate.ts'
import type { Quarantine } from './quarantine.ts'
import { exposedUri } from './resourceUris.ts'
import {
  exposedToolName,
  isChangedToolName,
  mayBelongTo,
  namingOf,
  unchangedUpstreamName,
  type ToolNaming,
} from './toolNames.ts'

/** One connection of the config, as far as this principal may use it. */
export interface AllowedConnection extends AccountOfConnection {
  readonly naming: ToolNaming
  /** As the upstream names them; undefined means all, and with them everything else that the upstream has. */
  readonly tools: readonly string[] | undefined
}

export interface AllowedItem {
  readonly from: AllowedConnection
  readonly upstreamName: string
}

/** What has a name that is made safe, and unique among connections, in the same way. */
export type NamedKind = 'tools' | 'prompts'

/** The config's connections in its order, read anew: without those whose account the token was not made for. */
export async function allowedConnections(
  accounts: Accounts,
  { config, userIdentifier, accountIds, asOf }: Principal,
): Promise<readonly AllowedConnection[]> {
  const found = await accounts.ensureForConfig(config, userIdentifier, asOf)
  const connections = connectionsOf(config, found)
  return accountIds === undefined ? connections : connections.filter(({ account }) => accountIds.has(account.id))
}

interface Joined {
  readonly config: McpConfig
  readonly connections: readonly AllowedConnection[]
}

/** What was read is shared by the requests of one user that come soon after each other, and so is what is made of it. */
const joined = new WeakMap<readonly AccountOfConnection[], Joined>()

function connectionsOf(config: McpConfig, found: readonly AccountOfConnection[]): readonly AllowedConnection[] {
  const known = joined.get(found)
  if (known?.config === config) return known.connections
  const naming = namingOf(config)
  const byConnection = new Map(found.map((each) => [each.connection.id, each]))
  const connections = config.mappings.flatMap(({ connectionId, tools }) => {
    const entry = byConnection.get(connectionId)
    return entry === undefined ? [] : [{ ...entry, naming, tools }]
  })
  joined.set(found, { config, connections })
  return connections
}

/**
 * Whether prompts, resources and the like of this connection may be used: only where nothing narrows it. Who allows
 * some tools by name has not allowed anything else.
 */
export function isWhole({ tools }: AllowedConnection, principal: Principal): boolean {
  return tools === undefined && principal.tools === undefined
}

/** How an item is named on the endpoint; undefined where this principal may not use it. Exact and case-sensitive. */
export function allowedName(
  kind: ListKind,
  from: AllowedConnection,
  principal: Principal,
  upstreamName: string,
): string | undefined {
  const { naming, tools, connection } = from
  if (kind !== 'tools' && !isWhole(from, principal)) return undefined
  if (kind === 'resources' || kind === 'resourceTemplates') return exposedUri(naming, connection.name, upstreamName)
  if (tools?.includes(upstreamName) === false) return undefined
  const exposed = exposedToolName(naming, connection.name, upstreamName)
  return principal.tools?.has(exposed) === false ? undefined : exposed
}

/** Whether anything of this kind and connection can be allowed. */
export function isWanted(kind: ListKind, from: AllowedConnection, principal: Principal): boolean {
  if (kind !== 'tools') return isWhole(from, principal)
  const { naming, connection } = from
  return (
    principal.tools === undefined || [...principal.tools].some((name) => mayBelongTo(naming, connection.name, name))
  )
}

/**
 * What an exposed name stands for; undefined for what is not allowed just as for what never was. The upstream is asked
 * only where its list is all there is to read a changed name back from.
 */
export async function findItem(
  kind: NamedKind,
  connections: readonly AllowedConnection[],
  principal: Principal,
  exposed: string,
  { upstreams, quarantine }: { readonly upstreams: Upstreams; readonly quarantine: Quarantine },
): Promise<AllowedItem | undefined> {
  if (principal.tools?.has(exposed) === false) return undefined
  for (const from of connections) {
    // Asked here and not only below: of many connections all but one need not be waited for.
    if (!mayBelongTo(from.naming, from.connection.name, exposed)) continue
    if (kind !== 'tools' && !isWhole(from, principal)) continue
    const upstreamName = await upstreamNameOf(kind, from, exposed, upstreams)
    if (upstreamName === undefined) continue
    const isAdmitted = kind !== 'tools' || (await quarantine.admits(from, upstreamName))
    return isAdmitted ? { from, upstreamName } : undefined
  }
  return undefined
}

async function upstreamNameOf(
  kind: NamedKind,
  from: AllowedConnection,
  exposed: string,
  upstreams: Upstreams,
): Promise<string | undefined> {
  const { naming, connection, account, tools } = from
  const isIt = (name: string): boolean => exposedToolName(naming, connection.name, name) === exposed
  if (tools !== undefined) return tools.find(isIt)
  if (!isChangedToolName(exposed)) return unchangedUpstreamName(naming, connection.name, exposed)
  const known = upstreams.known(from, kind)?.find(({ name }) => isIt(name))
  if (known !== undefined || account.status !== 'ACTIVE') return known?.name
  return (await listOrNothing(kind, from, upstreams)).find(({ name }) => isIt(name))?.name
}

async function listOrNothing(
  kind: NamedKind,
  from: AllowedConnection,
  upstreams: Upstreams,
): Promise<readonly UpstreamItem[]> {
  try {
    return await upstreams.list(from, kind)
  } catch {
    return []
  }
}
