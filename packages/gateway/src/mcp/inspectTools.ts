import { suggest } from '../config/suggest.ts'
import type { ConnectionToolMapping } from '../domain.ts'
import type { AccountOfConnection, InspectedConnection, InspectedTool, ToolInspector } from '../services.ts'
import type { Upstreams } from '../upstream/upstreams.ts'
import { reasonOf } from './listItems.ts'
import { exposedToolName, namingOf, renamedFor, type ToolNaming } from './toolNames.ts'

/** What the endpoint makes of the tools that the upstreams have, and why; for whoever looks for a fault. */
export function createToolInspector(upstreams: Pick<Upstreams, 'list' | 'refused' | 'forget'>): ToolInspector {
  return {
    async inspect(config, accounts) {
      const naming = namingOf(config)
      const found = config.mappings.map(async (mapping) => {
        const entry = accounts.find(({ connection }) => connection.id === mapping.connectionId)
        return entry === undefined ? [] : [await inspectOne(naming, mapping, entry)]
      })
      return (await Promise.all(found)).flat()
    },
  }

  async function inspectOne(
    naming: ToolNaming,
    { tools: allowed }: ConnectionToolMapping,
    entry: AccountOfConnection,
  ): Promise<InspectedConnection> {
    const { connection, account } = entry
    if (account.status !== 'ACTIVE') return { ...entry, unavailable: undefined, tools: [] }
    try {
      // What was listed before would hide that the upstream has gone since.
      upstreams.forget(account.id)
      const names = (await upstreams.list(entry, 'tools')).map(({ name }) => name)
      const refused = new Map(upstreams.refused(entry, 'tools').map(({ name, problem }) => [name, problem]))
      const tools = (allowed ?? [...names, ...refused.keys()]).map((name) => {
        const refusedFor = refused.get(name)
        return refusedFor === undefined
          ? inspectTool(naming, connection.name, name, names)
          : { upstreamName: name, name: undefined, renamedFor: undefined, suggestion: undefined, refusedFor }
      })
      return { ...entry, unavailable: undefined, tools }
    } catch (error) {
      const reason = reasonOf(error)
      return { ...entry, unavailable: { reason, message: error instanceof Error ? error.message : reason }, tools: [] }
    }
  }
}

function inspectTool(
  naming: ToolNaming,
  connectionName: string,
  upstreamName: string,
  names: readonly string[],
): InspectedTool {
  if (!names.includes(upstreamName)) {
    return { upstreamName, name: undefined, renamedFor: undefined, suggestion: suggest(upstreamName, names) }
  }
  return {
    upstreamName,
    name: exposedToolName(naming, connectionName, upstreamName),
    renamedFor: renamedFor(naming, connectionName, upstreamName),
    suggestion: undefined,
  }
}
