import { adaptTools, type SchemaProfile, type UserTool } from '@latchkey/core'
import { silentChanges, toolLists } from '@latchkey/test/schemas'
import type { Benchmark, Figures } from './benchmark.ts'
import { median, time } from './statistics.ts'

const PROFILES = [
  'openai-strict',
  'openai',
  'anthropic',
  'gemini',
  'common',
] as const satisfies readonly SchemaProfile[]
const ROUNDS = 10

/** What the schema profiles do to the tools of published MCP servers, and how long that takes. */
export const schemas: Benchmark = {
  name: 'schemas',
  title: "the published servers' tools in each profile: changed, left out, changed without a report, time",
  async run(say) {
    const lists = toolLists()
    const tools = lists.flatMap((list) => list.tools.map((tool): UserTool => asUserTool(tool)))
    say(`${tools.length} tools of ${lists.length} servers`)
    const figures: Figures = { 'schemas.tools': tools.length, 'schemas.silently_changed': 0 }
    for (const profile of PROFILES) {
      const { changed, silentlyChanged, dropped } = countChanges(tools, profile)
      // A new list each time, because a list is adapted once.
      const times = await time(ROUNDS, async () => void adaptTools([...tools], profile))
      figures['schemas.silently_changed'] = (figures['schemas.silently_changed'] ?? 0) + silentlyChanged
      figures[`schemas.${profile}.changed`] = changed
      figures[`schemas.${profile}.dropped`] = dropped
      figures[`schemas.${profile}.ms_per_100_tools`] = (median(times) * 100) / tools.length
    }
    return figures
  },
}

/** One by one, because servers may have tools of the same name. */
function countChanges(tools: readonly UserTool[], profile: SchemaProfile) {
  const outcomes = tools.map((tool) => ({ tool, ...adaptTools([tool], profile) }))
  const kept = outcomes.flatMap(({ tool, tools: [adapted], report }) => (adapted ? [{ tool, adapted, report }] : []))
  const silent = kept.filter(
    ({ tool, adapted, report }) => silentChanges(tool.inputSchema, adapted.inputSchema, report.adapted).length > 0,
  )
  return {
    changed: kept.filter(({ report }) => report.adapted.length > 0).length,
    silentlyChanged: silent.length,
    dropped: outcomes.length - kept.length,
  }
}

function asUserTool({
  name,
  description = '',
  inputSchema,
}: ReturnType<typeof toolLists>[number]['tools'][number]): UserTool {
  return {
    name,
    mcpName: name,
    title: undefined,
    description,
    inputSchema,
    outputSchema: undefined,
    annotations: undefined,
    call: async () => ({ content: [] }),
  }
}
