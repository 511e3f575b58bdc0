import type { Change, Connection } from '../domain.ts'
import type { LogSink } from '../http/requestLog.ts'
import { newId } from '../store/newId.ts'
import type { Clock, Registry, Vault } from '../services.ts'
import type { Store, StoredConnection } from '../store/store.ts'
import { parseConnection, type ConfigDefinition, type ConnectionDefinition } from './parseOptions.ts'
import { definitionContext } from './sealedDefinition.ts'
import { syncConfigs } from './syncConfigs.ts'

export interface RegistryOptions {
  readonly connections: readonly ConnectionDefinition[]
  readonly configs: readonly ConfigDefinition[]
  readonly store: Store
  /** Opens what was made over the API. Default: nothing was. */
  readonly vault?: Pick<Vault, 'open'> | undefined
  readonly clock: Clock
  readonly log?: LogSink | undefined
}

export interface ReloadingRegistry extends Registry {
  isFromConfiguration(id: string): boolean
  /** Reads anew what was made over the API. */
  reload(): Promise<void>
  /** For whoever hears of changes, in this process or another. */
  onChange(change: Change): void
}

/**
 * Brings what the configuration names into the store: connections keep their ids across restarts, and configs are the
 * same objects as those made over the API. Connections that were made over the API come beside them; of one name the
 * configuration's is meant.
 */
export async function createRegistry(options: RegistryOptions): Promise<ReloadingRegistry> {
  const { connections, configs, store, clock, log } = options
  const configured: Connection[] = []
  for (const connection of connections) {
    const id = await store.connections.ensure({
      id: newId('conn'),
      name: connection.name,
      createdAt: new Date(clock()),
    })
    configured.push(Object.freeze({ id, ...connection }))
  }
  const configuredIds = new Set(configured.map(({ id }) => id))
  let known = indexOf(configured)
  let reading = Promise.resolve()

  async function read(): Promise<void> {
    const defined = await store.connections.listDefined()
    const others = defined.filter(({ id }) => !configuredIds.has(id))
    known = indexOf([...configured, ...others.flatMap((stored) => openDefinition(stored, options))])
  }

  /** One after the other: what was read last is what was written last. */
  function reload(): Promise<void> {
    reading = reading.catch(() => {}).then(read)
    return reading
  }

  const registry: ReloadingRegistry = {
    connection: (id) => known.byId.get(id),
    connectionByName: (name) => known.byName.get(name),
    connections: () => known.all,
    isFromConfiguration: (id) => configuredIds.has(id),
    reload,
    onChange({ kind }) {
      if (kind !== 'connection') return
      void reload().catch(() => log?.({ level: 'error', message: 'connections cannot be read' }))
    },
  }
  await reload()
  await syncConfigs({ configs, registry, store, clock })
  return registry
}

function indexOf(all: readonly Connection[]) {
  return {
    all,
    byId: new Map(all.map((connection) => [connection.id, connection])),
    byName: new Map(all.map((connection) => [connection.name, connection])),
  }
}

/** One that cannot be read, or that this version does not take, must not keep the others away. */
function openDefinition(stored: StoredConnection, { vault, log }: RegistryOptions): readonly Connection[] {
  const { id, name, sealedDefinition } = stored
  if (vault === undefined || sealedDefinition === undefined) return []
  try {
    const definition: unknown = JSON.parse(vault.open(sealedDefinition, definitionContext(stored)))
    return [Object.freeze({ id, ...parseConnection(name, definition) })]
  } catch {
    log?.({ level: 'error', message: 'a connection cannot be read', connectionId: id })
    return []
  }
}
