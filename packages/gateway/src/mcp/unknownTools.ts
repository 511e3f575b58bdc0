import type { ConnectionToolMapping, McpConfig } from '../domain.ts'
import type { Registry } from '../services.ts'
import { exposedToolName, isChangedToolName, namingOf, unchangedUpstreamName, type ToolNaming } from './toolNames.ts'

/**
 * Which of these names no tool of the config can have, on its endpoint, whatever its upstreams have: without asking
 * them. Where the config allows all tools of a connection, every name that such a tool could have is taken.
 */
export function createUnknownTools(registry: Pick<Registry, 'connection'>) {
  return (config: Pick<McpConfig, 'mappings' | 'toolNames'>, names: readonly string[]): readonly string[] => {
    const naming = namingOf(config)
    return names.filter((name) => !config.mappings.some((mapping) => mayName(naming, mapping, name)))
  }

  function mayName(naming: ToolNaming, { connectionId, tools }: ConnectionToolMapping, name: string): boolean {
    const connection = registry.connection(connectionId)
    if (connection === undefined) return false
    if (tools !== undefined) return tools.some((tool) => exposedToolName(naming, connection.name, tool) === name)
    return isChangedToolName(name) || unchangedUpstreamName(naming, connection.name, name) !== undefined
  }
}
