import type { McpConfig, McpInstance } from '../domain.ts'
import { Secret } from '../secret.ts'
import type { Clock, Instances, Keys } from '../services.ts'
import { newId } from '../store/newId.ts'
import type { Store } from '../store/store.ts'

export interface InstancesOptions {
  readonly store: Store
  readonly keys: Keys
  readonly publicUrl: URL
  readonly clock: Clock
}

/** One instance for each user of each config, with a URL that is derived and so always the same. */
export function createInstances({ store, keys, publicUrl, clock }: InstancesOptions): Instances {
  return {
    async ensure(config, userIdentifier, name) {
      const existing = await store.instances.find(config.id, userIdentifier)
      return existing ?? (await store.instances.ensure(newInstance(config, userIdentifier, name)))
    },
    get: (id) => store.instances.get(id),
    url: (instance) => new Secret(`${publicUrl.origin}/mcp/${keys.urlSecret(instance).reveal()}`),
  }

  function newInstance(config: McpConfig, userIdentifier: string, name = config.name): McpInstance {
    const now = new Date(clock())
    return {
      id: newId('ins'),
      name,
      configId: config.id,
      userIdentifier,
      urlVersion: 1,
      urlKeyId: keys.currentKeyId,
      createdAt: now,
      updatedAt: now,
      lastUsedAt: undefined,
    }
  }
}
