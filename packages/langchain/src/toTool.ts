import { ToolMessage } from '@langchain/core/messages'
import { tool, type DynamicStructuredTool, type ToolRunnableConfig } from '@langchain/core/tools'
import {
  callAgentTool,
  isAuthorizationRequired,
  LatchkeyError,
  tellAuthorizationRequired,
  type UserTool,
} from '@latchkey/core'

import { refusalOf } from './approval.ts'
import { interruptFor } from './consent.ts'
import { toContent } from './content.ts'
import type { UserToolsForLangChainOptions } from './createUserTools.ts'
import { isOnlyCall } from './onlyCall.ts'

type Arguments = Record<string, unknown>
interface CallOptions extends UserToolsForLangChainOptions {
  userIdentifier: string
}

const ANY_ARGUMENTS = { type: 'object' } as const

export function toTool(userTool: UserTool, options: CallOptions): DynamicStructuredTool {
  const { name, mcpName, description, inputSchema, annotations } = userTool
  const metadata = { mcpName, annotations }
  const fields = { name, description, metadata, responseFormat: 'content_and_artifact' }
  const run = (args: unknown, config: ToolRunnableConfig) => call(userTool, Object(args), config, options)
  const runner = tool(run, { ...fields, schema: ANY_ARGUMENTS })
  // LangChain must not check arguments against the schema that the model is shown: a pattern can be made to hang the
  // process, and one written for another dialect of regular expressions would refuse every call. The call checks them.
  return Object.assign(tool(run, { ...fields, schema: inputSchema }), { invoke: runner.invoke.bind(runner) })
}

async function call(userTool: UserTool, args: Arguments, config: ToolRunnableConfig, options: CallOptions) {
  const { attach, userIdentifier } = options
  const interrupt = isOnlyCall(config, userTool.name) ? options.interrupt : undefined
  // An error is a finished message, because a thrown one ends the run as soon as an agent has `wrapToolCall` middleware.
  const failed = (content: ToolMessage['content'], artifact: unknown) =>
    new ToolMessage({
      status: 'error',
      content,
      artifact,
      name: userTool.name,
      tool_call_id: config.toolCall?.id ?? '',
    })
  const refusal = await refusalOf(userTool, args, { ...options, interrupt })
  if (refusal !== undefined) return [failed(refusal, undefined), undefined]
  try {
    // A run that can be stopped does not wait, and neither does a call that must not stop it.
    const callOptions = options.interrupt ? { ...options, consent: 'fail' as const } : options
    const result = await callAgentTool(userTool, args, config.signal, callOptions)
    const content = toContent(result, attach)
    return [result.isError === true ? failed(content, result) : content, result]
  } catch (error) {
    if (!(error instanceof LatchkeyError) || error.code === 'aborted') throw error
    if (isAuthorizationRequired(error)) {
      const outcome = interrupt && interruptFor(interrupt, error, { userIdentifier, tool: userTool.name })
      if (outcome === 'declined') return [failed(`${error.message}. The user declined.`, error), undefined]
      tellAuthorizationRequired(error, options)
    }
    return [failed(error.message, error), undefined]
  }
}
