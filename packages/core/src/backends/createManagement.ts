import * as z from 'zod'
import { LatchkeyError } from '../errors.ts'
import { diagnosticsSchema } from '../wire/diagnosticsSchemas.ts'
import { toConfig, toDiagnosis, toWireMappings } from '../wire/managementMapping.ts'
import { toInstance } from '../wire/mapping.ts'
import { configListSchema, configSchema, instanceListSchema, instanceSchema } from '../wire/schemas.ts'
import type { BackendCallOptions } from './backend.ts'
import type { ControlPlane } from './controlPlane.ts'
import type { GatewayManagement, McpConfig } from './gatewayManagement.ts'
import { translateError } from './translateError.ts'

const configAnswerSchema = z.object({ config: configSchema })
const instanceAnswerSchema = z.object({ instance: instanceSchema })
const PAGE_SIZE = 30
/** A gateway with more than this many configs, or pages that never end, is not listed to its end. */
const MAX_PAGES = 100

/** What operators do, over the control plane's API. */
export function createManagement(controlPlane: ControlPlane): GatewayManagement {
  async function listConfigs({ signal }: BackendCallOptions = {}): Promise<readonly McpConfig[]> {
    const found: McpConfig[] = []
    let token = ''
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const { configs, next_page_token: next = '' } = await controlPlane.request({
        method: 'GET',
        path: `/api/v1/mcp/configs?page_size=${PAGE_SIZE}${token && `&page_token=${encodeURIComponent(token)}`}`,
        schema: configListSchema,
        doing: 'listing the MCP configs',
        idempotent: true,
        signal,
      })
      found.push(...configs.map(toConfig))
      if (next === '') break
      token = next
    }
    return found
  }

  return {
    listConfigs,

    async createConfig({ name, description, toolNames, mappings }, { signal } = {}) {
      const { config } = await controlPlane.request({
        method: 'POST',
        path: '/api/v1/mcp/configs',
        body: { name, description, tool_names: toolNames, connection_tool_mappings: toWireMappings(mappings) },
        schema: configAnswerSchema,
        doing: `making the MCP config ${JSON.stringify(name)}`,
        idempotent: false,
        signal,
      })
      return toConfig(config)
    },

    async replaceConfig(id, { description, toolNames, mappings }, { signal } = {}) {
      const { config } = await controlPlane.request({
        method: 'PUT',
        path: `/api/v1/mcp/configs/${encodeURIComponent(id)}`,
        body: { description, tool_names: toolNames, connection_tool_mappings: toWireMappings(mappings) },
        schema: configAnswerSchema,
        doing: `changing the MCP config ${id}`,
        idempotent: true,
        signal,
      })
      return toConfig(config)
    },

    async findInstances({ userIdentifier, configName }, { signal } = {}) {
      const user = encodeURIComponent(userIdentifier)
      const config = configName === undefined ? '' : `&filter.config_name=${encodeURIComponent(configName)}`
      const { instances } = await controlPlane.request({
        method: 'GET',
        path: `/api/v1/mcp/instances?page_size=${PAGE_SIZE}&filter.user_identifier=${user}${config}`,
        schema: instanceListSchema,
        doing: `looking for the MCP instances of user ${JSON.stringify(userIdentifier)}`,
        idempotent: true,
        signal,
      })
      return instances.map((instance) => toInstance(instance, configName ?? ''))
    },

    async rotateUrl(instanceId, { signal } = {}) {
      const { instance } = await controlPlane.request({
        method: 'POST',
        path: `/api/v1/mcp/instances/${encodeURIComponent(instanceId)}:rotate_url`,
        body: {},
        schema: instanceAnswerSchema,
        doing: `replacing the URL of instance ${instanceId}`,
        // Twice would end a URL that was given out meanwhile.
        idempotent: false,
        signal,
      })
      return toInstance(instance, '')
    },

    async diagnose({ userIdentifier, configName } = {}, { signal } = {}) {
      const query = new URLSearchParams()
      if (userIdentifier !== undefined) query.set('identifier', userIdentifier)
      if (configName !== undefined) query.set('config_name', configName)
      const diagnostics = await controlPlane.request({
        method: 'GET',
        path: `/api/v1/diagnostics?${query.toString()}`,
        schema: diagnosticsSchema,
        doing: 'asking the gateway how it is',
        idempotent: true,
        signal,
      })
      return toDiagnosis(diagnostics)
    },

    tryEventStream: (userIdentifier, options) => tryEventStream(controlPlane, userIdentifier, options),
  }
}

async function tryEventStream(
  controlPlane: ControlPlane,
  userIdentifier: string,
  { signal = new AbortController().signal }: BackendCallOptions = {},
): Promise<number> {
  const doing = `listening to events of user ${JSON.stringify(userIdentifier)}`
  const started = performance.now()
  const path = `/api/v1/events?user_identifier=${encodeURIComponent(userIdentifier)}`
  using stream = await controlPlane.openStream(path, { accept: 'text/event-stream' }, doing, signal)
  const { response } = stream
  try {
    if (!response.ok || response.body === null) {
      throw new LatchkeyError('unavailable', `${doing} failed: the control plane answered HTTP ${response.status}`)
    }
    const reader = response.body.getReader()
    const { done } = await reader.read()
    if (done) throw new LatchkeyError('unavailable', `${doing} failed: the stream ended before it began`)
    await reader.cancel()
    return performance.now() - started
  } catch (error) {
    throw translateError(error, { doing, settings: controlPlane.settings }, signal)
  }
}
