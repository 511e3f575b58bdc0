import { ToolMessage } from '@langchain/core/messages'
import { tool, type DynamicStructuredTool, type ToolRunnableConfig } from '@langchain/core/tools'
import { LatchkeyError, type UserTool } from '@latchkey/core'

import { toContent } from './content.ts'
import type { UserToolsForLangChainOptions } from './createUserTools.ts'

type CallOptions = Pick<UserToolsForLangChainOptions, 'toolTimeoutMs' | 'onAuthorizationRequired'>

export function toTool(userTool: UserTool, options: CallOptions = {}): DynamicStructuredTool {
  const { name, mcpName, description, inputSchema, annotations } = userTool
  return tool(
    (args: unknown, config: ToolRunnableConfig) => call(userTool, args as Record<string, unknown>, config, options),
    {
      name,
      description,
      schema: inputSchema,
      responseFormat: 'content_and_artifact',
      metadata: { mcpName, annotations },
    },
  )
}

async function call(
  userTool: UserTool,
  args: Record<string, unknown>,
  { signal, toolCall }: ToolRunnableConfig,
  { toolTimeoutMs, onAuthorizationRequired }: CallOptions,
) {
  // An error is a finished message, because a thrown one ends the run as soon as an agent has `wrapToolCall` middleware.
  const failed = (content: ToolMessage['content'], artifact: unknown) =>
    new ToolMessage({ status: 'error', content, artifact, name: userTool.name, tool_call_id: toolCall?.id ?? '' })
  try {
    const result = await userTool.call(args, { signal, timeoutMs: toolTimeoutMs })
    const content = toContent(result)
    return [result.isError === true ? failed(content, result) : content, result]
  } catch (error) {
    if (!(error instanceof LatchkeyError) || error.code === 'aborted') throw error
    if (error.code === 'authorization_required') await onAuthorizationRequired?.(error.connections)
    return [failed(error.message, error), undefined]
  }
}
