import { agentTools, type AgentToolsOptions, type Latchkey } from '@latchkey/core'
import type { ToolSet } from 'ai'

import { rememberState } from './toolSetState.ts'
import { toTool } from './toTool.ts'

/** How one user's tools are got and called. */
export type UserToolsForAiSdkOptions = AgentToolsOptions

/**
 * Makes the function that gives one user's tools, for an app that shares one Latchkey among all its users.
 *
 * A call that fails throws, so that it becomes a `tool-error` part holding the same error object. If a connection needs
 * the user's consent in the middle of a run, that error is a `LatchkeyError` with code `authorization_required` and the
 * links in `connections` (the model is told only its message), and `onAuthorizationRequired` is called; the run
 * does not wait for it then, and drops an error of its own. `stopOnAuthorization` ends the run there, and `callAgain` goes
 * on with it; `consent: 'wait'` waits. An error that the tool itself reports is an `Error` with the
 * tool's words, and the MCP result as its `cause`. The output of a call that succeeded is the MCP result,
 * `structuredContent` included.
 *
 * @param latchkey - Made by `createLatchkey` of `@latchkey/core`.
 * @returns `(userIdentifier, options?) => Promise<ToolSet>`. It throws what `latchkey.userTools` throws: a
 * `LatchkeyError` with code `authorization_required`, `authorization_timeout`, `authorization_failed`, `aborted`,
 * `timeout`, `unknown_config`, `invalid_user_identifier`, `unauthorized`, `unavailable`, `invalid_response`,
 * `not_ready` or `rejected`; or a `TypeError` when an option is wrong.
 *
 * @example
 * const userTools = createUserTools(createLatchkey({ config: 'email-agent' }))
 * const { text } = await generateText({ model, prompt, tools: await userTools('user_123'), stopWhen: isStepCount(10) })
 */
export function createUserTools(
  latchkey: Pick<Latchkey, 'userTools'>,
): (userIdentifier: string, options?: UserToolsForAiSdkOptions) => Promise<ToolSet> {
  return async function getTools(userIdentifier, options = {}): Promise<ToolSet> {
    const tools = await agentTools(latchkey, userIdentifier, options)
    const refused = new Set<string>()
    const given = { ...options, refused }
    const toolSet = Object.fromEntries(tools.map((userTool) => [userTool.name, toTool(userTool, given)]))
    return rememberState(toolSet, { refused, refresh: () => getTools(userIdentifier, options) })
  }
}
