import type { AccountOfConnection, Accounts } from '../services.ts'
import type { UpstreamTool } from '../upstream/toolList.ts'
import type { Upstreams } from '../upstream/upstreams.ts'
import type { Principal } from './authenticate.ts'
import { exposedToolName, isChangedToolName, mayBelongTo, unchangedUpstreamName, type ToolNaming } from './toolNames.ts'

/** One connection of the config, as far as this principal may use it. */
export interface AllowedConnection extends AccountOfConnection {
  readonly naming: ToolNaming
  /** As the upstream names them; undefined means all. */
  readonly tools: readonly string[] | undefined
}

export interface AllowedTool {
  readonly from: AllowedConnection
  readonly upstreamName: string
}

/** The config's connections in its order, read anew: without those whose account the token was not made for. */
export async function allowedConnections(
  accounts: Accounts,
  { config, userIdentifier, accountIds, asOf }: Principal,
): Promise<readonly AllowedConnection[]> {
  const naming = { prefixed: config.mappings.length > 1 }
  const found = await accounts.ensureForConfig(config, userIdentifier, asOf)
  const byConnection = new Map(found.map((each) => [each.connection.id, each]))
  return config.mappings.flatMap(({ connectionId, tools }) => {
    const entry = byConnection.get(connectionId)
    if (entry === undefined || accountIds?.has(entry.account.id) === false) return []
    return [{ ...entry, naming, tools }]
  })
}

/** How the tool is named on the endpoint; undefined where this principal may not use it. Exact and case-sensitive. */
export function allowedName(
  { naming, tools, connection }: AllowedConnection,
  principal: Principal,
  upstreamName: string,
): string | undefined {
  if (tools?.includes(upstreamName) === false) return undefined
  const exposed = exposedToolName(naming, connection.name, upstreamName)
  return principal.tools?.has(exposed) === false ? undefined : exposed
}

/** Whether any tool of this connection can be among those that the token names. */
export function isWanted({ naming, connection }: AllowedConnection, { tools }: Principal): boolean {
  return tools === undefined || [...tools].some((name) => mayBelongTo(naming, connection.name, name))
}

/**
 * What an exposed name stands for; undefined for a tool that is not allowed just as for one that never was. The
 * upstream is asked only where its list is all there is to read a changed name back from.
 */
export async function findTool(
  connections: readonly AllowedConnection[],
  principal: Principal,
  exposed: string,
  upstreams: Upstreams,
): Promise<AllowedTool | undefined> {
  if (principal.tools?.has(exposed) === false) return undefined
  for (const from of connections) {
    const upstreamName = await upstreamNameOf(from, exposed, upstreams)
    if (upstreamName !== undefined) return { from, upstreamName }
  }
  return undefined
}

async function upstreamNameOf(
  from: AllowedConnection,
  exposed: string,
  upstreams: Upstreams,
): Promise<string | undefined> {
  const { naming, connection, account, tools } = from
  if (!mayBelongTo(naming, connection.name, exposed)) return undefined
  const isIt = (name: string): boolean => exposedToolName(naming, connection.name, name) === exposed
  if (tools !== undefined) return tools.find(isIt)
  if (!isChangedToolName(exposed)) return unchangedUpstreamName(naming, connection.name, exposed)
  const known = upstreams.knownTools(from)?.find(({ name }) => isIt(name))
  if (known !== undefined || account.status !== 'ACTIVE') return known?.name
  return (await listOrNothing(from, upstreams)).find(({ name }) => isIt(name))?.name
}

async function listOrNothing(from: AllowedConnection, upstreams: Upstreams): Promise<readonly UpstreamTool[]> {
  try {
    return await upstreams.tools(from)
  } catch {
    return []
  }
}
