import { LatchkeyError } from '../../errors.ts'
import type { ConnectionState } from '../../readiness/connectionState.ts'
import { createInstanceIds, type InstanceKey } from '../../signing/instanceIds.ts'
import type { Sign } from '../../signing/signedText.ts'
import type { Timing } from '../../timing/timing.ts'
import { toConnectionState } from '../../wire/mapping.ts'
import { readConnectedAccountsSchema } from '../../wire/schemas.ts'
import type { Backend, BackendCallOptions } from '../backend.ts'
import type { ControlPlane } from '../controlPlane.ts'
import { PrivateInstance } from '../privateInstance.ts'
import { notAllActive, requestSessionToken } from '../sessionTokens.ts'
import { translateAnswer } from '../translateError.ts'
import { completeStates } from './completeStates.ts'
import { createConfigDirectory } from './configDirectory.ts'

/**
 * The documented way since June 2026: one URL for each config, and a token for the user. There are no instances, so an id
 * of one names the config and the user by itself.
 */
export function virtualServers(
  controlPlane: ControlPlane,
  { timing, sign }: { timing: Timing; sign: Sign },
): Required<Pick<Backend, 'ensureInstance' | 'getAuthState' | 'createSessionToken'>> {
  const configs = createConfigDirectory(controlPlane, timing)
  const ids = createInstanceIds(sign)

  async function statesOf(
    { configId, userIdentifier }: InstanceKey,
    { signal, includeAuthLinks = false }: BackendCallOptions & { includeAuthLinks?: boolean },
  ): Promise<readonly ConnectionState[]> {
    // Asked first, so that links are not minted in vain where it fails.
    const config = await configs.byId(configId, signal)
    const { connected_accounts: accounts } = await controlPlane.request({
      method: 'POST',
      path: `/api/v1/mcp/configs/${encodeURIComponent(configId)}/connected_accounts`,
      body: { identifier: userIdentifier, include_auth_link: includeAuthLinks },
      schema: readConnectedAccountsSchema,
      doing: `reading the connected accounts of user ${JSON.stringify(userIdentifier)}`,
      // With links it makes accounts and mints links, so it is not sent again.
      idempotent: !includeAuthLinks,
      signal,
      refused(status) {
        if (status === 404) configs.forget()
        return undefined
      },
    })
    return completeStates(accounts.map(toConnectionState), config.connection_tool_mappings)
  }

  return {
    async ensureInstance({ configName, userIdentifier }, { signal } = {}) {
      const { id: configId, mcp_server_url: mcpServerUrl } = await configs.byName(configName, signal)
      if (!mcpServerUrl) throw hasNoUrl(configName)
      const id = ids.write({ configId, userIdentifier })
      const instance = { id, userIdentifier, configName, configId, url: undefined, mcpServerUrl }
      return { instance: new PrivateInstance(instance) }
    },

    getAuthState: async (instanceId, options = {}) => await statesOf(ids.read(instanceId), options),

    async createSessionToken(input, { signal } = {}) {
      const { userIdentifier, configId = '' } = input.instance
      if (input.tools) throw cannotNarrow()
      let refusal: LatchkeyError | undefined
      const refused = (status: number, body: string) => {
        if (status !== 400) return undefined
        const doing = `getting a session token for user ${JSON.stringify(userIdentifier)}`
        return (refusal = translateAnswer({ status, body }, { doing, settings: controlPlane.settings }))
      }
      try {
        return await requestSessionToken(controlPlane, { ...input, allowPartial: undefined }, signal, refused)
      } catch (error) {
        if (error !== refusal) throw error
        // Of several reasons for a 400 this is one; what is not ACTIVE tells.
        const key = { configId, userIdentifier }
        const states = await statesOf(key, { signal })
        if (states.every((state) => state.isActive)) throw error
        throw notAllActive(await statesOf(key, { signal, includeAuthLinks: true }), userIdentifier)
      }
    },
  }
}

function hasNoUrl(configName: string): LatchkeyError {
  return new LatchkeyError(
    'rejected',
    `the MCP config ${JSON.stringify(configName)} has no MCP server URL: virtual MCP servers are not enabled in this Scalekit environment; have them enabled, or use scalekit({ credential: 'url' })`,
  )
}

function cannotNarrow(): LatchkeyError {
  return new LatchkeyError(
    'rejected',
    'Scalekit cannot narrow a session token to some tools: leave out `tools`, and make an MCP config that has only these',
  )
}
