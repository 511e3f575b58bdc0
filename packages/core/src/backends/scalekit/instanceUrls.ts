import { LRUCache } from 'lru-cache'
import * as z from 'zod'
import { toEnsuredInstance } from '../../wire/mapping.ts'
import { instanceSchema, type WireConnectionToolMapping } from '../../wire/schemas.ts'
import type { Backend, McpInstance } from '../backend.ts'
import { PrivateInstance } from '../privateInstance.ts'
import type { ControlPlane } from '../controlPlane.ts'
import { requestAuthState, requestInstance } from '../instances.ts'
import { completeStates } from './completeStates.ts'

const instanceAnswerSchema = z.object({ instance: instanceSchema })
const MAX_INSTANCES = 10_000

/** The older way: an instance for each user, with a URL that is the credential. */
export function instanceUrls(controlPlane: ControlPlane): Pick<Backend, 'ensureInstance' | 'getAuthState'> {
  /** What each instance needs; it is asked for where this process has not ensured it. */
  const needed = new LRUCache<string, readonly WireConnectionToolMapping[]>({ max: MAX_INSTANCES })

  async function neededBy(instanceId: string, signal: AbortSignal | undefined) {
    const known = needed.get(instanceId)
    if (known) return known
    const { instance } = await controlPlane.request({
      method: 'GET',
      path: `/api/v1/mcp/instances/${encodeURIComponent(instanceId)}`,
      schema: instanceAnswerSchema,
      doing: `reading instance ${instanceId}`,
      idempotent: true,
      signal,
    })
    const mappings = instance.config?.connection_tool_mappings ?? []
    needed.set(instanceId, mappings)
    return mappings
  }

  return {
    async ensureInstance(input, options) {
      const answer = await requestInstance(controlPlane, input, {}, options)
      needed.set(answer.instance.id, answer.instance.config?.connection_tool_mappings ?? [])
      return { instance: withoutTokens(toEnsuredInstance(answer, input.configName).instance) }
    },

    async getAuthState(instanceId, options = {}) {
      const mappings = await neededBy(instanceId, options.signal)
      return completeStates(await requestAuthState(controlPlane, instanceId, options), mappings)
    },
  }
}

/** A config may have both; here the URL was asked for. */
function withoutTokens({ id, userIdentifier, configName, configId, url }: McpInstance): McpInstance {
  return new PrivateInstance({ id, userIdentifier, configName, configId, url, mcpServerUrl: undefined })
}
