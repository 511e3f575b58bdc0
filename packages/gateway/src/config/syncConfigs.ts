import { isDeepStrictEqual } from 'node:util'
import type { ConnectionToolMapping, McpConfig } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Clock, Registry } from '../services.ts'
import { newId } from '../store/newId.ts'
import type { Store } from '../store/store.ts'
import type { ConfigDefinition } from './parseOptions.ts'

export interface SyncConfigsOptions {
  readonly configs: readonly ConfigDefinition[]
  readonly registry: Registry
  readonly store: Store
  readonly clock: Clock
}

/** Makes the configs of the configuration, and updates those that it has changed. Others are left as they are. */
export async function syncConfigs({ configs, registry, store, clock }: SyncConfigsOptions): Promise<void> {
  for (const { name, mappings, toolNames } of configs) {
    const wanted = mappings.map(({ connectionName, tools }) => toMapping(registry, name, connectionName, tools))
    await store.transaction((inner) => syncConfig(inner, { name, mappings: wanted, toolNames }, new Date(clock())))
  }
}

async function syncConfig(
  store: Store,
  { name, mappings, toolNames }: Pick<McpConfig, 'name' | 'mappings' | 'toolNames'>,
  at: Date,
): Promise<void> {
  const existing = await store.configs.getByName(name)
  if (existing === undefined) {
    const id = newId('cfg')
    await store.configs.insert({ id, name, description: undefined, mappings, toolNames, createdAt: at, updatedAt: at })
  } else if (!isDeepStrictEqual(existing.mappings, mappings) || existing.toolNames !== toolNames) {
    await store.configs.update(existing.id, { description: existing.description, mappings, toolNames, updatedAt: at })
    // Other processes on this database are serving it.
    await store.changes.append({ kind: 'config', subject: existing.id, occurredAt: at })
  }
}

function toMapping(
  registry: Registry,
  configName: string,
  connectionName: string,
  tools: readonly string[] | undefined,
): ConnectionToolMapping {
  const connection = registry.connectionByName(connectionName)
  if (connection !== undefined) return { connectionId: connection.id, tools }
  throw new GatewayError('configuration', `The config "${configName}" names an unknown connection "${connectionName}".`)
}
