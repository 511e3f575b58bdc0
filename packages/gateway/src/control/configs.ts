import type { ConnectionToolMapping, McpConfig, ToolNames } from '../domain.ts'
import type { Commit } from '../accounts/commit.ts'
import { GatewayError } from '../errors.ts'
import type { Clock, Configs } from '../services.ts'
import { newId } from '../store/newId.ts'
import type { ConfigFilter, ConfigQuery, Store } from '../store/store.ts'

export interface ConfigsOptions {
  readonly store: Pick<Store, 'configs'>
  readonly commit: Commit
  readonly publicUrl: URL
  readonly clock: Clock
}

export interface NewConfig {
  readonly name: string
  readonly description: string | undefined
  readonly mappings: readonly ConnectionToolMapping[]
  /** When a config is replaced, default: as it was. */
  readonly toolNames?: ToolNames | undefined
}

/** The configs, with what only the control plane does to them. */
export interface ManagedConfigs extends Configs {
  /** Throws GatewayError `conflict` if the name is taken. */
  create(config: NewConfig): Promise<McpConfig>
  /** Running agents have the new tools from their next request on. Throws GatewayError `not_found`. */
  replace(id: string, change: Omit<NewConfig, 'name'>): Promise<McpConfig>
  /** With its instances, so that every URL and every session token of it ends. Throws GatewayError `not_found`. */
  delete(id: string): Promise<void>
  list(query: ConfigQuery): Promise<readonly McpConfig[]>
  count(filter: ConfigFilter): Promise<number>
  /** Throws GatewayError `not_found`. */
  require(id: string): Promise<McpConfig>
  /** Throws GatewayError `not_found`, which lists the names that there are. */
  requireByName(name: string): Promise<McpConfig>
}

const LISTED_NAMES = 20

export function createConfigs({ store, commit, publicUrl, clock }: ConfigsOptions): ManagedConfigs {
  const { configs } = store
  return {
    get: (id) => configs.get(id),
    getByName: (name) => configs.getByName(name),
    mcpServerUrl: ({ id }) => `${publicUrl.origin}/mcp/${id}`,
    list: (query) => configs.list(query),
    count: (filter) => configs.count(filter),
    require: (id) => requireConfig(configs, id),

    async create({ name, description, mappings, toolNames }) {
      const now = new Date(clock())
      const times = { createdAt: now, updatedAt: now }
      const config: McpConfig = { id: newId('cfg'), name, description, mappings, toolNames, ...times }
      if (await configs.insert(config)) return config
      throw new GatewayError('conflict', `There is already an MCP config named "${name}".`)
    },

    replace: (id, { description, mappings, toolNames: given }) =>
      commit(async (inner, { note }) => {
        const updatedAt = new Date(clock())
        const toolNames = given ?? (await inner.configs.get(id))?.toolNames
        await inner.configs.update(id, { description, mappings, toolNames, updatedAt })
        await note('config', id, updatedAt)
        return await requireConfig(inner.configs, id)
      }),

    delete: (id) =>
      commit(async (inner, { note }) => {
        if (!(await inner.configs.delete(id))) throw unknownId()
        await note('config', id, new Date(clock()))
      }),

    async requireByName(name) {
      const config = await configs.getByName(name)
      if (config !== undefined) return config
      throw new GatewayError('not_found', `There is no MCP config named "${name}". ${await knownNames()}`)
    },
  }

  async function knownNames(): Promise<string> {
    const names = (await configs.list({ limit: LISTED_NAMES + 1 })).map((config) => config.name)
    if (names.length === 0) return 'There are none yet: add one to the configuration or create it over the API.'
    const more = names.length > LISTED_NAMES ? ', …' : ''
    return `The known ones are: ${names.slice(0, LISTED_NAMES).join(', ')}${more}.`
  }
}

async function requireConfig(configs: Pick<Store['configs'], 'get'>, id: string): Promise<McpConfig> {
  const config = await configs.get(id)
  if (config !== undefined) return config
  throw unknownId()
}

function unknownId(): GatewayError {
  return new GatewayError('not_found', 'There is no MCP config with this id.')
}
