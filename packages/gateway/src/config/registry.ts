import type { Connection } from '../domain.ts'
import { newId } from '../store/newId.ts'
import type { Clock, Registry } from '../services.ts'
import type { Store } from '../store/store.ts'
import type { ConfigDefinition, ConnectionDefinition } from './parseOptions.ts'
import { syncConfigs } from './syncConfigs.ts'

export interface RegistryOptions {
  readonly connections: readonly ConnectionDefinition[]
  readonly configs: readonly ConfigDefinition[]
  readonly store: Store
  readonly clock: Clock
}

/**
 * Brings what the configuration names into the store: connections keep their ids across restarts, and configs are the
 * same objects as those made over the API.
 */
export async function createRegistry({ connections, configs, store, clock }: RegistryOptions): Promise<Registry> {
  const known: Connection[] = []
  for (const connection of connections) {
    const id = await store.connections.ensure({
      id: newId('conn'),
      name: connection.name,
      createdAt: new Date(clock()),
    })
    known.push(Object.freeze({ id, ...connection }))
  }
  const byId = new Map(known.map((connection) => [connection.id, connection]))
  const byName = new Map(known.map((connection) => [connection.name, connection]))
  const registry: Registry = {
    connection: (id) => byId.get(id),
    connectionByName: (name) => byName.get(name),
    connections: () => known,
  }
  await syncConfigs({ configs, registry, store, clock })
  return registry
}
