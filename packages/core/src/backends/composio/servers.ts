import { LatchkeyError } from '../../errors.ts'
import { createMinuteCache } from '../../timing/minuteCache.ts'
import type { Timing } from '../../timing/timing.ts'
import type { ControlPlane } from '../controlPlane.ts'
import { authConfigSchema, serverListSchema, serverSchema, type WireServer } from './schemas.ts'

/** What Composio calls an MCP server is a config: what an agent role may use, and how users connect to it. */
export interface ComposioServer {
  readonly id: string
  readonly connections: readonly ComposioConnection[]
}

/** What Composio calls an auth config. It is named after its toolkit, if there is only one of it. */
export interface ComposioConnection {
  readonly authConfigId: string
  readonly name: string
}

export interface ComposioServers {
  /** @throws {LatchkeyError} `unknown_config`, naming those that there are. */
  byName(name: string, signal?: AbortSignal): Promise<ComposioServer>
  byId(id: string, signal?: AbortSignal): Promise<ComposioServer>
}

export function createServers(controlPlane: ControlPlane, timing: Timing): ComposioServers {
  const kept = createMinuteCache<ComposioServer>(timing)
  return {
    byName: (name, signal) =>
      kept.get(named(name), signal, async (shared) => {
        const server = await withConnections(controlPlane, await findByName(controlPlane, name, shared), shared)
        kept.keep(withId(server.id), server)
        return server
      }),
    byId: (id, signal) =>
      kept.get(withId(id), signal, async (shared) =>
        withConnections(controlPlane, await readById(controlPlane, id, shared), shared),
      ),
  }
}

const named = (name: string) => `the MCP server named ${JSON.stringify(name)}`
const withId = (id: string) => `the MCP server with the id ${JSON.stringify(id)}`

async function findByName(controlPlane: ControlPlane, name: string, signal: AbortSignal): Promise<WireServer> {
  const list = async (filter: Record<string, string>) => {
    const { items } = await controlPlane.request({
      method: 'GET',
      path: `/api/v3.1/mcp/servers?${new URLSearchParams({ ...filter, limit: '50' }).toString()}`,
      schema: serverListSchema,
      doing: 'listing the MCP servers',
      idempotent: true,
      signal,
    })
    return items
  }
  // The filter finds parts of names.
  const found = (await list({ name })).find((server) => server.name === name)
  if (found) return found
  const known = (await list({}).catch(() => [])).map((server) => server.name).join(', ')
  throw new LatchkeyError('unknown_config', `no MCP server is named ${JSON.stringify(name)}; known: ${known || 'none'}`)
}

async function readById(controlPlane: ControlPlane, id: string, signal: AbortSignal): Promise<WireServer> {
  return await controlPlane.request({
    method: 'GET',
    path: `/api/v3.1/mcp/${encodeURIComponent(id)}`,
    schema: serverSchema,
    doing: `reading the MCP server ${id}`,
    idempotent: true,
    signal,
  })
}

async function withConnections(
  controlPlane: ControlPlane,
  { id, auth_config_ids: authConfigIds }: WireServer,
  signal: AbortSignal,
): Promise<ComposioServer> {
  const read = async (authConfigId: string) => {
    const { toolkit } = await controlPlane.request({
      method: 'GET',
      path: `/api/v3.1/auth_configs/${encodeURIComponent(authConfigId)}`,
      schema: authConfigSchema,
      doing: `reading the auth config ${authConfigId}`,
      idempotent: true,
      signal,
    })
    return { authConfigId, slug: toolkit.slug }
  }
  const authConfigs = await Promise.all(authConfigIds.map(read))
  const isOnly = (slug: string) => authConfigs.filter((other) => other.slug === slug).length === 1
  const connections = authConfigs.map(({ authConfigId, slug }) => ({
    authConfigId,
    name: isOnly(slug) ? slug : authConfigId,
  }))
  return { id, connections }
}
