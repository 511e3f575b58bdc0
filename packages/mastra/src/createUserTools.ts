import { agentTools, type AgentToolsOptions, type Latchkey } from '@latchkey/core'

import { toTool, type UserToolForMastra } from './toTool.ts'

/** How one user's tools are got and called. */
export interface UserToolsForMastraOptions extends Omit<AgentToolsOptions, 'consent'> {
  /**
   * What a call does that needs consent in the middle of a run: `fail` (the default); `suspend`, which suspends the run
   * with an `AuthorizationRequest` until it is resumed; or `wait`, which shows the links to `onAuthorizationRequired` and
   * makes the same call once more after the consent. `suspend` needs a storage provider, which then holds the links.
   */
  consent?: AgentToolsOptions['consent'] | 'suspend'
}

/** What an `Agent` of Mastra takes for the name of a tool: it cuts off the 64th character, and fails if two become one. */
const TOOL_NAMES = /^(?!__proto__$)[A-Za-z_][A-Za-z0-9_-]{0,62}$/

/** One user's tools by their names. */
export type UserToolsForMastra = Record<string, UserToolForMastra>

/**
 * Makes the function that gives one user's tools, for an app that shares one Latchkey among all its users.
 *
 * A call that fails throws, so that the model is given its message and the run goes on; a stream has a `tool-error` chunk
 * then, whose `payload.error.cause` is the same error object. If a connection needs the user's consent in the middle of a
 * run, that is a `LatchkeyError` with code `authorization_required` and the links in `connections` (the model is told only
 * its message), and `onAuthorizationRequired` is called; the run does not wait for it then, and drops an error of its own.
 * The option `consent` gives better ways. An error that the tool itself reports is an `Error` with the tool's words, and
 * the MCP result as its `cause`. The result of a call that succeeded is the MCP result, `structuredContent` included.
 *
 * @param latchkey - Made by `createLatchkey` of `@latchkey/core`.
 * @returns `(userIdentifier, options?) => Promise<UserToolsForMastra>`. It throws what `latchkey.userTools` throws: a
 * `LatchkeyError` with code `authorization_required`, `authorization_timeout`, `authorization_failed`, `aborted`,
 * `timeout`, `unknown_config`, `invalid_user_identifier`, `unauthorized`, `unavailable`, `invalid_response`,
 * `not_ready` or `rejected`; or a `TypeError` when an option is wrong.
 *
 * @example
 * const userTools = createUserTools(createLatchkey({ config: 'email-agent' }))
 * const { text } = await agent.generate(prompt, { toolsets: { user: await userTools('user_123') } })
 */
export function createUserTools(
  latchkey: Pick<Latchkey, 'userTools'>,
): (userIdentifier: string, options?: UserToolsForMastraOptions) => Promise<UserToolsForMastra> {
  return async (userIdentifier, { consent, ...options } = {}) => {
    // A run that can be suspended does not wait.
    const shared: AgentToolsOptions = { ...options, consent: consent === 'suspend' ? 'fail' : consent }
    const tools = await agentTools(latchkey, userIdentifier, shared, TOOL_NAMES)
    const callOptions = { ...shared, userIdentifier, suspends: consent === 'suspend' }
    return Object.fromEntries(tools.map((userTool) => [userTool.name, toTool(userTool, callOptions)]))
  }
}
