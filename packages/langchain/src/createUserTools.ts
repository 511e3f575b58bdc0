import type { DynamicStructuredTool } from '@langchain/core/tools'
import { agentTools, type AgentToolsOptions, type Latchkey } from '@latchkey/core'

import { checkCanAsk } from './approval.ts'
import type { Interrupt } from './ask.ts'
import { toTool } from './toTool.ts'

/** How one user's tools are got and called. A call that can interrupt the run does not `wait`. */
export interface UserToolsForLangChainOptions extends AgentToolsOptions {
  /**
   * LangGraph's `interrupt`: a call that needs consent stops the run with an `AuthorizationRequest`, and is made when
   * the run is resumed with a `Command` (`'declined'` as its `resume` tells the model that the user will not). A call
   * that a person has to `approve` stops it with an `ApprovalInterrupt`, and is made when the run is resumed with
   * `'approved'`, or a decision of LangChain's `humanInTheLoopMiddleware`. It needs a checkpointer, which then holds the
   * links; without one, the call fails: for want of consent as it does without this option, for want of approval unmade.
   *
   * It fails so as well where the run would make other calls again when it goes on: where a message's calls are one task of
   * LangGraph's, as in a `ToolNode` that is given several, and where a node or a task of your own was given something else
   * than the call, or messages with that one call. `createAgent` has a task for each.
   */
  interrupt?: Interrupt | undefined
  /**
   * Whether the model is given a tool's files of this MIME type; the others are named to it and kept in the `artifact`.
   * Default: images only. No other kind is sure to survive: in a tool result `@langchain/openai` sends sound and PDFs as
   * base64 text, and `@langchain/anthropic` takes PDFs but throws on sound.
   */
  attach?: ((mimeType: string) => boolean) | undefined
}

/**
 * Makes the function that gives one user's tools, for an app that shares one Latchkey among all its users.
 *
 * A tool never throws what the model can be told: a failed call becomes a `ToolMessage` with `status: 'error'`. If a
 * connection needs the user's consent in the middle of a run, the message says which one (without the link), its
 * `artifact` is the `LatchkeyError` with the links, and `onAuthorizationRequired` is called; the run does not wait for it
 * then, and drops an error of its own. The options `interrupt` and `consent` give better ways. An aborted call throws. The `artifact` of a call that succeeded is the MCP result,
 * `structuredContent` included.
 *
 * @param latchkey - Made by `createLatchkey` of `@latchkey/core`.
 * @returns `(userIdentifier, options?) => Promise<DynamicStructuredTool[]>`. It throws what `latchkey.userTools` throws:
 * a `LatchkeyError` with code `authorization_required`, `authorization_timeout`, `authorization_failed`, `aborted`,
 * `timeout`, `unknown_config`, `invalid_user_identifier`, `unauthorized`, `unavailable`, `invalid_response`,
 * `not_ready` or `rejected`; or a `TypeError` when an option is wrong, such as `approve` without `interrupt`.
 *
 * @example
 * const userTools = createUserTools(createLatchkey({ config: 'email-agent' }))
 * const agent = createAgent({ model, tools: await userTools('user_123') })
 */
export function createUserTools(
  latchkey: Pick<Latchkey, 'userTools'>,
): (userIdentifier: string, options?: UserToolsForLangChainOptions) => Promise<DynamicStructuredTool[]> {
  return async (userIdentifier, options = {}) => {
    checkCanAsk(options)
    const tools = await agentTools(latchkey, userIdentifier, options)
    return tools.map((userTool) => toTool(userTool, { ...options, userIdentifier }))
  }
}
