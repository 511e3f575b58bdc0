import type { Commit } from '../accounts/commit.ts'
import type { McpConfig, McpInstance } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Clock } from '../services.ts'
import type { InstanceFilter, InstanceQuery, Store } from '../store/store.ts'

export interface ManagedInstancesOptions {
  readonly store: Pick<Store, 'instances'>
  readonly commit: Commit
  readonly clock: Clock
}

export interface InstanceUpdate {
  /** Undefined: it stays. */
  readonly name: string | undefined
  /** Undefined: it stays. */
  readonly config: Pick<McpConfig, 'id' | 'name'> | undefined
}

/** What only the control plane does to instances. Each change names the user whose instance it is. */
export interface ManagedInstances {
  list(query: InstanceQuery): Promise<readonly McpInstance[]>
  count(filter: InstanceFilter): Promise<number>
  /** Throws GatewayError `conflict` if the user has an instance of the new config already. */
  update(instance: McpInstance, update: InstanceUpdate): Promise<McpInstance>
  /** With its URL, and the session tokens of this user for its config. Throws GatewayError `not_found`. */
  delete(instance: McpInstance): Promise<void>
}

export function createManagedInstances({ store, commit, clock }: ManagedInstancesOptions): ManagedInstances {
  return {
    list: (query) => store.instances.list(query),
    count: (filter) => store.instances.count(filter),

    update: (instance, { name = instance.name, config }) =>
      commit(async (inner, { note }) => {
        const updatedAt = new Date(clock())
        await inner.lockUser(instance.userIdentifier)
        const current = await requireInstance(inner, instance.id)
        const configId = config?.id ?? current.configId
        if ((await inner.configs.get(configId)) === undefined) throw configGone()
        if (!(await inner.instances.update(current, { name, configId, updatedAt }))) throw hasOneAlready(config)
        // The agent that was made for the other config must not go on with it.
        if (configId !== current.configId) {
          await inner.revocations.raise(current.userIdentifier, current.configId, updatedAt)
        }
        await note('instance', current.id, updatedAt)
        return await requireInstance(inner, current.id)
      }),

    delete: ({ id, userIdentifier }) =>
      commit(async (inner, { note }) => {
        const at = new Date(clock())
        await inner.lockUser(userIdentifier)
        const { configId } = await requireInstance(inner, id)
        await inner.instances.delete({ id, userIdentifier })
        await inner.revocations.raise(userIdentifier, configId, at)
        await note('instance', id, at)
      }),
  }
}

async function requireInstance(store: Pick<Store, 'instances'>, id: string): Promise<McpInstance> {
  const instance = await store.instances.get(id)
  if (instance !== undefined) return instance
  throw new GatewayError('not_found', 'There is no MCP instance with this id.')
}

function configGone(): GatewayError {
  return new GatewayError('not_found', 'There is no MCP config of this name any more.')
}

function hasOneAlready(config: InstanceUpdate['config']): GatewayError {
  const named = config === undefined ? 'this config' : `the config "${config.name}"`
  return new GatewayError('conflict', `The user already has an instance of ${named}. Delete one of the two first.`)
}
