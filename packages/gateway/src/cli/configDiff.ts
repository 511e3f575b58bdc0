import type { McpConfig, ToolMapping } from '@latchkey/core'
import type { ConfigDefinition } from '../config/parseOptions.ts'

/** What has to be done with one config so that the gateway has it as the file says. */
export interface ConfigChange {
  readonly name: string
  readonly kind: 'create' | 'change' | 'same'
  /** What is different, in words. */
  readonly differences: readonly string[]
  readonly toolNames: string | undefined
  readonly mappings: readonly ToolMapping[]
  readonly existing: McpConfig | undefined
}

/** Compares the configs of a file with those of a gateway. What only the gateway has is left as it is. */
export function configDiff(
  wanted: readonly ConfigDefinition[],
  existing: readonly McpConfig[],
): readonly ConfigChange[] {
  return wanted.map(({ name, toolNames, mappings }) => {
    const config = existing.find((one) => one.name === name)
    if (config === undefined) {
      const differences = mappings.map(({ connectionName, tools }) => `${connectionName}: ${toolsOf(tools)}`)
      return { name, kind: 'create', differences, toolNames, mappings, existing: undefined }
    }
    const isRenamed = toolNames !== undefined && toolNames !== config.toolNames
    const renamed = isRenamed ? [`tool names: ${toolNames}`] : []
    const differences = [...renamed, ...differencesOf(config.mappings, mappings)]
    return {
      name,
      kind: differences.length > 0 ? 'change' : 'same',
      differences,
      toolNames,
      mappings,
      existing: config,
    }
  })
}

function differencesOf(before: readonly ToolMapping[], after: readonly ToolMapping[]): string[] {
  const names = [...new Set([...before, ...after].map(({ connectionName }) => connectionName))]
  const told = names.flatMap((name) => {
    const old = before.find(({ connectionName }) => connectionName === name)
    const next = after.find(({ connectionName }) => connectionName === name)
    if (next === undefined) return [`${name}: removed`]
    if (old === undefined) return [`${name}: added, with ${toolsOf(next.tools)}`]
    return toolDifference(name, old.tools, next.tools)
  })
  const isReordered = JSON.stringify(before) !== JSON.stringify(after)
  return told.length === 0 && isReordered ? ['the order'] : told
}

function toolDifference(name: string, before: ToolMapping['tools'], after: ToolMapping['tools']): string[] {
  if (before === undefined || after === undefined) {
    return before === after ? [] : [`${name}: ${toolsOf(after)} instead of ${toolsOf(before)}`]
  }
  const added = after.filter((tool) => !before.includes(tool)).map((tool) => `+${tool}`)
  const removed = before.filter((tool) => !after.includes(tool)).map((tool) => `-${tool}`)
  return added.length + removed.length === 0 ? [] : [`${name}: ${[...added, ...removed].join(' ')}`]
}

function toolsOf(tools: readonly string[] | undefined): string {
  return tools === undefined ? 'all tools' : tools.join(', ')
}
