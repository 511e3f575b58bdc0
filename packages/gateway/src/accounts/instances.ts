import type { McpConfig, McpInstance } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { Secret } from '../secret.ts'
import type { Clock, Instances, Keys } from '../services.ts'
import { newId } from '../store/newId.ts'
import type { Store } from '../store/store.ts'
import type { Commit } from './commit.ts'
import { asOfNow, unlessRevoked } from './unlessRevoked.ts'

export interface InstancesOptions {
  readonly store: Store
  readonly commit: Commit
  readonly keys: Keys
  readonly publicUrl: URL
  readonly clock: Clock
}

/** One instance for each user of each config, with a URL that is derived and so always the same. */
export function createInstances({ store, commit, keys, publicUrl, clock }: InstancesOptions): Instances {
  return {
    async ensure(config, userIdentifier, name, given) {
      const asOf = given ?? (await asOfNow(store, userIdentifier, config.id))
      const existing = await store.instances.find(config.id, userIdentifier)
      if (existing !== undefined) return existing
      const instance = newInstance(config, userIdentifier, name)
      return await unlessRevoked(store, userIdentifier, asOf, async (inner) => {
        // It may have been deleted since it was read.
        if ((await inner.configs.get(config.id)) !== undefined) return await inner.instances.ensure(instance)
        throw new GatewayError('not_found', `There is no MCP config named "${config.name}" any more.`)
      })
    },
    get: (id) => store.instances.get(id),

    rotateUrl: (id) =>
      commit(async (inner, { note }) => {
        const instance = await inner.instances.get(id)
        if (instance === undefined) throw new GatewayError('not_found', 'There is no MCP instance with this id.')
        const at = new Date(clock())
        await inner.instances.rotateUrl(instance, instance.urlVersion, keys.currentKeyId, at)
        await note('instance', id, at)
        const { urlVersion } = instance
        return { ...instance, urlVersion: urlVersion + 1, urlKeyId: keys.currentKeyId, updatedAt: at }
      }),

    url: (instance) => Promise.resolve(new Secret(`${publicUrl.origin}/mcp/${keys.urlSecret(instance).reveal()}`)),
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
