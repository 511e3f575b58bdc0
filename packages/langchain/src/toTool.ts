import { ToolMessage } from '@langchain/core/messages'
import { tool, type DynamicStructuredTool, type ToolRunnableConfig } from '@langchain/core/tools'
import { LatchkeyError, type ToolCallOptions, type UserTool } from '@latchkey/core'

import { interruptFor } from './consent.ts'
import { toContent } from './content.ts'
import type { UserToolsForLangChainOptions } from './createUserTools.ts'

type Tell = UserToolsForLangChainOptions['onAuthorizationRequired']
type Arguments = Record<string, unknown>
interface CallOptions extends Pick<
  UserToolsForLangChainOptions,
  'toolTimeoutMs' | 'attach' | 'onAuthorizationRequired' | 'consent' | 'authorizationTimeoutMs' | 'interrupt'
> {
  userIdentifier: string
}

const ANY_ARGUMENTS = { type: 'object' } as const

export function toTool(userTool: UserTool, options: CallOptions): DynamicStructuredTool {
  const { name, mcpName, description, inputSchema, annotations } = userTool
  const metadata = { mcpName, annotations }
  const fields = { name, description, metadata, responseFormat: 'content_and_artifact' }
  const run = (args: unknown, config: ToolRunnableConfig) => call(userTool, Object(args), config, options)
  const runner = tool(run, { ...fields, schema: ANY_ARGUMENTS })
  // The model is shown the server's schema, but LangChain must not check arguments against it: a pattern can be made to
  // hang the process, and one written for another dialect of regular expressions would refuse every call.
  return Object.assign(tool(run, { ...fields, schema: inputSchema }), { invoke: runner.invoke.bind(runner) })
}

async function call(userTool: UserTool, args: Arguments, config: ToolRunnableConfig, options: CallOptions) {
  const { attach, onAuthorizationRequired, interrupt, userIdentifier } = options
  // An error is a finished message, because a thrown one ends the run as soon as an agent has `wrapToolCall` middleware.
  const failed = (content: ToolMessage['content'], artifact: unknown) =>
    new ToolMessage({
      status: 'error',
      content,
      artifact,
      name: userTool.name,
      tool_call_id: config.toolCall?.id ?? '',
    })
  try {
    const result = await userTool.call(args, callOptions(config, options))
    const content = toContent(result, attach)
    return [result.isError === true ? failed(content, result) : content, result]
  } catch (error) {
    if (!(error instanceof LatchkeyError) || error.code === 'aborted') throw error
    if (error.code !== 'authorization_required') return [failed(error.message, error), undefined]
    const outcome = interrupt && interruptFor(interrupt, error, { userIdentifier, tool: userTool.name })
    if (outcome === 'declined') return [failed(`${error.message}. The user declined.`, error), undefined]
    tell(onAuthorizationRequired, error)
    return [failed(error.message, error), undefined]
  }
}

/** A run that can be stopped does not wait. */
function callOptions({ signal }: ToolRunnableConfig, options: CallOptions): ToolCallOptions {
  const { toolTimeoutMs: timeoutMs, consent, onAuthorizationRequired, authorizationTimeoutMs, interrupt } = options
  if (consent !== 'wait' || interrupt) return { signal, timeoutMs }
  return { signal, timeoutMs, onAuthorizationRequired, authorizationTimeoutMs }
}

/** The run neither waits for the callback nor ends by its error: what the model and the app get is the call's own. */
function tell(callback: Tell, { connections }: LatchkeyError): void {
  const run = async () => await callback?.(connections)
  run().catch(() => {})
}
