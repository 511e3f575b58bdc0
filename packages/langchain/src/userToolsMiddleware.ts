import type { DynamicStructuredTool } from '@langchain/core/tools'
import { ToolMessage } from '@langchain/core/messages'
import { isAuthorizationRequired, userIdOf, type Latchkey } from '@latchkey/core'

import { checkCanAsk } from './approval.ts'
import type { Interrupt } from './ask.ts'
import { interruptFor } from './consent.ts'
import { createUserTools, type UserToolsForLangChainOptions } from './createUserTools.ts'

export interface UserToolsMiddlewareOptions extends UserToolsForLangChainOptions {
  /** Whose run it is, from the run's context. Default: `context.userId`. */
  userIdentifier?: ((context: unknown) => string) | undefined
}

/** As much of LangChain's requests as is needed here. */
interface Request {
  readonly runtime: { readonly context?: unknown }
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
  const { interrupt } = options

  // A call needs no model: whatever profile its tool was offered in, its arguments are changed back alike.
  const toolsOf = async (user: string, model?: unknown) => {
    try {
      return await getTools(user, { model, ...options })
    } catch (error) {
      if (interrupt && isAuthorizationRequired(error)) interruptFor(interrupt, error, { userIdentifier: user })
      throw error
    }
  }

  return {
    name: 'LatchkeyUserTools',

    async wrapModelCall<R extends ModelRequest, A>(request: R, handler: (request: R) => A | Promise<A>): Promise<A> {
      const own = await toolsOf(userIdentifier(request.runtime.context), request.model)
      return await handler({ ...request, tools: [...request.tools, ...own] })
    },

    async wrapToolCall<R extends ToolRequest, A>(
      request: R,
      handler: (request: R) => A | Promise<A>,
    ): Promise<A | ToolMessage> {
      if (request.tool !== undefined) return await handler(request)
      const user = userIdentifier(request.runtime.context)
      const own = await callable(user, request.toolCall, toolsOf, interrupt)
      if (own instanceof ToolMessage) return own
      const tool = own.find(({ name }) => name === request.toolCall.name)
      return await handler(tool ? { ...request, tool } : request)
    },
  }
}

/** The user's tools; or the answer to the model, where consent is wanting and the run cannot be stopped for it. */
async function callable(
  user: string,
  { name, id = '' }: ToolRequest['toolCall'],
  toolsOf: (user: string) => Promise<DynamicStructuredTool[]>,
  interrupt: Interrupt | undefined,
): Promise<DynamicStructuredTool[] | ToolMessage> {
  try {
    return await toolsOf(user)
  } catch (error) {
    if (!interrupt || !isAuthorizationRequired(error)) throw error
    return new ToolMessage({ status: 'error', content: error.message, artifact: error, name, tool_call_id: id })
  }
}
