import type * as z from 'zod'
import type { AccountStatus } from '../domain.ts'
import type { Configs, Registry } from '../services.ts'
import type { AccountFilter, ConfigFilter, InstanceFilter } from '../store/store.ts'
import type { accountQuerySchema } from './accountPaths.ts'
import type { configQuerySchema } from './configPaths.ts'
import type { instanceQuerySchema } from './instancePaths.ts'

export interface FiltersOptions {
  readonly configs: Pick<Configs, 'mcpServerUrl' | 'getByName'>
  readonly registry: Pick<Registry, 'connections'>
}

/** No id is like this: what asks for it finds nothing. */
const NONE = ''

/** What the query of a list asks the store for. */
export function createFilters({ configs, registry }: FiltersOptions) {
  return {
    ofConfigs(query: z.output<typeof configQuerySchema>): ConfigFilter {
      const provider = query['filter.provider']
      return {
        id: both(query['filter.id'], idOfUrl(query['filter.mcp_server_url'])),
        namePrefix: query['filter.name'],
        search: query.search,
        connectionIds: provider === undefined ? undefined : connectionIds({ provider }),
      }
    },

    async ofInstances(query: z.output<typeof instanceQuerySchema>): Promise<InstanceFilter> {
      const configName = query['filter.config_name']
      return {
        id: query['filter.id'],
        namePrefix: query['filter.name'],
        configId: configName === undefined ? undefined : ((await configs.getByName(configName))?.id ?? NONE),
        userIdentifier: query['filter.user_identifier'],
        search: query.search,
      }
    },

    ofAccounts(query: z.output<typeof accountQuerySchema>): AccountFilter {
      const { connector, provider, connection_id: id, identifier, status } = query
      const isFiltered = connector !== undefined || provider !== undefined || id !== undefined
      return {
        connectionIds: isFiltered ? connectionIds({ name: connector, provider, id }) : undefined,
        userIdentifier: identifier,
        status: status satisfies AccountStatus | undefined,
      }
    },
  }

  function idOfUrl(url: string | undefined): string | undefined {
    if (url === undefined) return undefined
    const prefix = configs.mcpServerUrl({ id: '' })
    return url.startsWith(prefix) ? url.slice(prefix.length) : NONE
  }

  /** Of the connections that have all of this. */
  function connectionIds(wanted: Readonly<Partial<Record<'id' | 'name' | 'provider', string | undefined>>>): string[] {
    const { id, name, provider } = wanted
    return registry
      .connections()
      .filter((connection) => (id ?? connection.id) === connection.id)
      .filter((connection) => (name ?? connection.name) === connection.name)
      .filter((connection) => (provider ?? connection.provider) === connection.provider)
      .map((connection) => connection.id)
  }
}

export type Filters = ReturnType<typeof createFilters>

/** Two that differ match nothing. */
function both(one: string | undefined, other: string | undefined): string | undefined {
  return one === undefined || other === undefined || one === other ? (one ?? other) : NONE
}
