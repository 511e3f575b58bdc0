import type { DynamicStructuredTool } from '@langchain/core/tools'
import { ToolMessage } from '@langchain/core/messages'
import { isAuthorizationRequired, userIdOf, type Latchkey } from '@latchkey/core'

import { checkCanAsk } from './approval.ts'
import type { Interrupt } from './ask.ts'
import { interruptFor } from './consent.ts'
import { createUserTools, type UserToolsForLangChainOptions } from './createUserTools.ts'
import { isOnlyCall } from './onlyCall.ts'

export interface UserToolsMiddlewareOptions extends UserToolsForLangChainOptions {
  /** Whose run it is, from the run's context. Default: `context.userId`. */
  userIdentifier?: ((context: unknown) => string) | undefined
}

/** As much of LangChain's requests as is needed here. */
interface Request {
  readonly runtime: Parameters<typeof isOnlyCall>[0] & { readonly context?: unknown }
}
interface ModelRequest extends Request {
  readonly model?: unknown
  readonly tools: readonly unknown[]
}
interface ToolRequest extends Request {
  readonly toolCall: { readonly name: string; readonly id?: string | undefined }
  readonly tool: unknown
}

/**
 * For one agent that serves all users: gives each model call the tools of the user whose run it is, as they are at that
 * moment, so that the tools of a connection that became ACTIVE meanwhile are there. Pass it to `createMiddleware`.
 *
 * @param latchkey - Made by `createLatchkey` of `@latchkey/core`.
 * @throws {LatchkeyError} in the run, what `createUserTools` throws; with `interrupt`, a missing consent stops the run
 * instead. A `TypeError` in the run if its context does not say whose it is.
 * @throws {TypeError} at once when `approve` is given without `interrupt`.
 *
 * @example
 * const agent = createAgent({
 *   model,
 *   contextSchema: z.object({ userId: z.string() }),
 *   middleware: [createMiddleware(userToolsMiddleware(latchkey, { require: 'any', interrupt }))],
 *   checkpointer,
 * })
 * await agent.invoke({ messages }, { context: { userId: 'user_123' }, configurable: { thread_id: 't1' } })
 */
export function userToolsMiddleware(
  latchkey: Pick<Latchkey, 'userTools'>,
  { userIdentifier = userIdOf, ...options }: UserToolsMiddlewareOptions = {},
) {
  checkCanAsk(options)
  const getTools = createUserTools(latchkey)
  const { approve, interrupt } = options

  const toolsOf = async (user: string, stop: Interrupt | undefined, model?: unknown) => {
    try {
      return await getTools(user, { model, ...options })
    } catch (error) {
      if (stop && isAuthorizationRequired(error)) interruptFor(stop, error, { userIdentifier: user })
      throw error
    }
  }

  return {
    name: 'LatchkeyUserTools',

    async wrapModelCall<R extends ModelRequest, A>(request: R, handler: (request: R) => A | Promise<A>): Promise<A> {
      const own = await toolsOf(userIdentifier(request.runtime.context), interrupt, request.model)
      return await handler({ ...request, tools: [...request.tools, ...own] })
    },

    async wrapToolCall<R extends ToolRequest, A>(
      request: R,
      handler: (request: R) => A | Promise<A>,
    ): Promise<A | ToolMessage> {
      if (request.tool !== undefined) return await handler(request)
      const { toolCall, runtime } = request
      // LangGraph gives answers back in their order: what is said to this question would be taken for the approval.
      const canStop = approve === undefined && isOnlyCall(runtime, toolCall.name)
      const user = userIdentifier(runtime.context)
      // A call needs no model: whatever profile its tool was offered in, its arguments are changed back alike.
      const own = await callable(toolCall, interrupt, () => toolsOf(user, canStop ? interrupt : undefined))
      if (own instanceof ToolMessage) return own
      const tool = own.find(({ name }) => name === toolCall.name)
      return await handler(tool ? { ...request, tool } : request)
    },
  }
}

/** The user's tools; or the answer to the model, where consent is wanting and the run cannot be stopped for it. */
async function callable(
  { name, id = '' }: ToolRequest['toolCall'],
  interrupt: Interrupt | undefined,
  getTools: () => Promise<DynamicStructuredTool[]>,
): Promise<DynamicStructuredTool[] | ToolMessage> {
  try {
    return await getTools()
  } catch (error) {
    if (!interrupt || !isAuthorizationRequired(error)) throw error
    return new ToolMessage({ status: 'error', content: error.message, artifact: error, name, tool_call_id: id })
  }
}
