import type { Commit } from '../accounts/commit.ts'
import type { Connection } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Clock, Vault } from '../services.ts'
import { newId } from '../store/newId.ts'
import type { Store } from '../store/store.ts'
import { parseConnection } from './parseOptions.ts'
import type { ReloadingRegistry } from './registry.ts'
import { definitionContext } from './sealedDefinition.ts'

export interface ConnectionsOptions {
  readonly store: Pick<Store, 'connections' | 'configs'>
  readonly vault: Pick<Vault, 'seal'>
  readonly registry: ReloadingRegistry
  readonly commit: Commit
  readonly clock: Clock
}

/** The connections, with what only the control plane does to them. */
export interface ManagedConnections {
  list(): readonly Connection[]
  /** By id or name. Throws GatewayError `not_found`. */
  require(idOrName: string): Connection
  isFromConfiguration(id: string): boolean
  /**
   * As the configuration file spells it, but that nothing is looked up in the environment. Throws GatewayError
   * `invalid_request`, and `conflict` if the name is taken. `spell` writes a key as the caller knows it.
   */
  create(name: string, definition: unknown, spell?: (key: string) => string): Promise<Connection>
  /** Throws GatewayError `conflict` for one of the configuration; so does `delete`, and while a config uses it. */
  replace(id: string, definition: unknown, spell?: (key: string) => string): Promise<Connection>
  delete(id: string): Promise<void>
}

/** What was made over the API is kept sealed as a whole: most of it is no secret, but which part is depends on its kind. */
export function createConnections(options: ConnectionsOptions): ManagedConnections {
  const { store, vault, registry, commit, clock } = options

  function requireConnection(idOrName: string): Connection {
    const found = registry.connection(idOrName) ?? registry.connectionByName(idOrName)
    if (found !== undefined) return found
    throw new GatewayError('not_found', 'There is no connection with this id or name.')
  }

  async function write(id: string, definition: unknown, expects: 'none' | 'one'): Promise<void> {
    await commit(async (inner, { note }) => {
      const stored = await inner.connections.get(id)
      const isThere = stored?.sealedDefinition !== undefined
      if (stored === undefined || isThere !== (expects === 'one')) throw changedMeanwhile()
      if (definition === undefined) await refuseWhileUsed(inner, id)
      const next = { id, generation: stored.generation + 1 }
      const sealed =
        definition === undefined ? undefined : vault.seal(JSON.stringify(definition), definitionContext(next))
      if (!(await inner.connections.define(stored, sealed))) throw changedMeanwhile()
      await note('connection', id, new Date(clock()))
    })
    // Other processes hear of it; here it is there when the answer leaves.
    await registry.reload()
  }

  return {
    list: () => registry.connections().toSorted((one, other) => (one.name < other.name ? -1 : 1)),
    require: requireConnection,
    isFromConfiguration: (id) => registry.isFromConfiguration(id),

    async create(name, definition, spell) {
      parseConnection(name, definition, spell)
      if (registry.connectionByName(name) !== undefined) throw taken(name)
      const id = await store.connections.ensure({ id: newId('conn'), name, createdAt: new Date(clock()) })
      await write(id, definition, 'none').catch((error: unknown) => {
        throw error instanceof GatewayError && error.code === 'conflict' ? taken(name) : error
      })
      return requireConnection(id)
    },

    async replace(id, definition, spell) {
      const { name } = refuseConfigured(requireConnection(id))
      parseConnection(name, definition, spell)
      await write(id, definition, 'one')
      return requireConnection(id)
    },

    async delete(id) {
      refuseConfigured(requireConnection(id))
      await write(id, undefined, 'one')
    },
  }

  function refuseConfigured(connection: Connection): Connection {
    if (!registry.isFromConfiguration(connection.id)) return connection
    throw new GatewayError(
      'conflict',
      `The connection "${connection.name}" is from the configuration. Change it there.`,
    )
  }
}

async function refuseWhileUsed(store: Pick<Store, 'configs'>, id: string): Promise<void> {
  const [config] = await store.configs.list({ connectionIds: [id], limit: 1 })
  if (config === undefined) return
  throw new GatewayError('conflict', `The MCP config "${config.name}" uses this connection. Change or delete it first.`)
}

function taken(name: string): GatewayError {
  return new GatewayError('conflict', `There is already a connection named "${name}".`)
}

function changedMeanwhile(): GatewayError {
  return new GatewayError('conflict', 'The connection was changed at the same moment. Try again.')
}
