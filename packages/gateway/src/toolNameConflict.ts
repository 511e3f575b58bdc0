import type { ToolNames } from './domain.ts'

export interface NamedMapping {
  readonly connectionName: string
  /** As the upstream names them; undefined means all. */
  readonly tools: readonly string[] | undefined
}

/**
 * Why the tools of a config cannot have the names that it asks for; undefined where they can. Without the connections'
 * names before them, tools of several connections are unique only where every tool is named in the config and none twice:
 * what an upstream lists, and whether it answers, must never decide what a name means.
 */
export function toolNameConflict(
  toolNames: ToolNames | undefined,
  mappings: readonly NamedMapping[],
): string | undefined {
  if (toolNames !== 'plain' || mappings.length < 2) return undefined
  const owners = new Map<string, string>()
  for (const { connectionName, tools } of mappings) {
    if (tools === undefined) {
      return `with plain tool names and several connections, the tools of "${connectionName}" have to be named one by one`
    }
    for (const tool of tools) {
      const owner = owners.get(tool)
      if (owner !== undefined) {
        return `with plain tool names, "${tool}" would be a tool of both "${owner}" and "${connectionName}"`
      }
      owners.set(tool, connectionName)
    }
  }
  return undefined
}
