import type { CallToolResult, Tool } from '@modelcontextprotocol/client'
import { checkArguments } from '../schemas/checkArguments.ts'
import type { ToolList } from '../session/mcpSession.ts'
import { safeToolNames } from './safeToolNames.ts'
import { toToolReport } from './toToolReport.ts'
import type { ToolCallOptions, UserTool, UserTools } from './userTools.ts'

/** Calls one tool of one user. */
export type CallTool = (
  tool: Tool,
  args: Readonly<Record<string, unknown>>,
  options: ToolCallOptions | undefined,
) => Promise<CallToolResult>

const NOTHING = Object.freeze([])

/** A list of MCP tools as one user's tools. */
export function toUserTools(list: ToolList, call: CallTool): UserTools {
  const mcpNames = list.tools.map((tool) => tool.name)
  const names = safeToolNames(mcpNames)
  const tools = list.tools
    .filter((tool, index) => names.has(tool.name) && mcpNames.indexOf(tool.name) === index)
    .map((tool) => toUserTool(tool, names.get(tool.name)!, call))
  return Object.freeze({
    tools: Object.freeze(tools),
    report: toToolReport(mcpNames, names, list.meta),
    missing: NOTHING,
  })
}

function toUserTool(tool: Tool, name: string, call: CallTool): UserTool {
  return Object.freeze({
    name,
    mcpName: tool.name,
    title: tool.title ?? tool.annotations?.title,
    description: tool.description ?? '',
    inputSchema: tool.inputSchema,
    outputSchema: tool.outputSchema,
    annotations: tool.annotations,
    call: async (args, options) => {
      checkArguments(tool, args)
      return await call(tool, args, options)
    },
  } satisfies UserTool)
}
