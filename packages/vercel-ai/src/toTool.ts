import {
  callAgentTool,
  isAuthorizationRequired,
  needsApproval,
  tellAuthorizationRequired,
  toolError,
  type ToolResult,
  type UserTool,
} from '@latchkey/core'

import { jsonSchema, tool, type JSONSchema7, type Tool } from 'ai'

import { checkApproved } from './approval.ts'
import { toModelOutput } from './content.ts'
import type { UserToolsForAiSdkOptions } from './createUserTools.ts'

type Arguments = Record<string, unknown>

interface ToolOptions extends UserToolsForAiSdkOptions {
  /** The ids of the calls that were refused for want of the user's consent, when they were made last. */
  readonly refused: Set<string>
}

export function toTool(userTool: UserTool, options: ToolOptions): Tool {
  const { mcpName, title, description, inputSchema, annotations } = userTool
  return tool({
    type: 'dynamic',
    description,
    metadata: JSON.parse(JSON.stringify({ mcpName, title, annotations })),
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- MCP and the AI SDK type the same JSON Schema apart.
    inputSchema: jsonSchema<Arguments>(inputSchema as JSONSchema7, { validate }),
    ...(options.schemaProfile === 'openai-strict' && { strict: true }),
    // It goes with the tool wherever that is used, which a setting of the run does not.
    ...(options.approve !== undefined && { needsApproval: (args) => needsApproval(userTool, args, options) }),
    execute: async (args, execution) => {
      options.refused.delete(execution.toolCallId)
      await checkApproved(userTool, args, execution, options)
      return await call(userTool, args, execution, options)
    },
    toModelOutput: ({ output }) => toModelOutput(output),
  })
}

/** The call checks the arguments against the tool's own schema; nothing here compiles a schema of somebody else's. */
function validate(value: unknown) {
  return isObject(value)
    ? { success: true as const, value }
    : { success: false as const, error: new TypeError('The arguments of a tool are a JSON object.') }
}

function isObject(value: unknown): value is Arguments {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

async function call(
  userTool: UserTool,
  args: Arguments,
  { abortSignal, toolCallId }: { abortSignal?: AbortSignal; toolCallId: string },
  options: ToolOptions,
): Promise<ToolResult> {
  const result = await callAgentTool(userTool, args, abortSignal, options).catch((error: unknown) => {
    if (isAuthorizationRequired(error)) {
      options.refused.add(toolCallId)
      tellAuthorizationRequired(error, options)
    }
    throw error
  })
  // Thrown, because the AI SDK hands a returned `isError` to the model as success.
  if (result.isError === true) throw toolError(result)
  return result
}
