import { agentTools, type AgentToolsOptions, type Attach, type Latchkey } from '@latchkey/core'

import { toTool, type UserToolForOpenAiAgents } from './toTool.ts'

/** How one user's tools are got and called. */
export interface UserToolsForOpenAiAgentsOptions extends Omit<AgentToolsOptions, 'consent'> {
  /**
   * What a call does that needs consent in the middle of a run: `fail` (the default); `interrupt`, which stops the run with
   * an interruption of which `authorizationOf` gives the links, and makes the call when the run is resumed with it
   * approved; or `wait`, which shows the links to `onAuthorizationRequired` and makes the same call once more after the
   * consent.
   */
  consent?: AgentToolsOptions['consent'] | 'interrupt'
  /**
   * Whether the model is given a tool's files of this MIME type; the others are named to it, and `toolOutcome` has them.
   * Default: images and PDFs, which the Responses API takes. Chat Completions takes neither: give `() => false` there.
   */
  attach?: Attach | undefined
}

/**
 * Makes the function that gives one user's tools, for an app that shares one Latchkey among all its users.
 *
 * A call that fails gives the model its message, and the run goes on; `toolOutcome` gives the app the error, and the whole
 * MCP result of a call that succeeded. If a connection needs the user's consent in the middle of a run, that error is a
 * `LatchkeyError` with code `authorization_required` and the links in `connections` (the model is told only its message),
 * and `onAuthorizationRequired` is called; the run does not wait for it then, and drops an error of its own. The option
 * `consent` gives better ways. An aborted call throws, and so does the run.
 *
 * @param latchkey - Made by `createLatchkey` of `@latchkey/core`.
 * @returns `(userIdentifier, options?) => Promise<UserToolForOpenAiAgents[]>`. It throws what `latchkey.userTools` throws:
 * a `LatchkeyError` with code `authorization_required`, `authorization_timeout`, `authorization_failed`, `aborted`,
 * `timeout`, `unknown_config`, `invalid_user_identifier`, `unauthorized`, `unavailable`, `invalid_response`,
 * `not_ready` or `rejected`; or a `TypeError` when an option is wrong.
 *
 * @example
 * const userTools = createUserTools(createLatchkey({ config: 'email-agent' }))
 * const agent = new Agent({ name: 'Mail', model: 'gpt-5', tools: await userTools('user_123') })
 */
export function createUserTools(
  latchkey: Pick<Latchkey, 'userTools'>,
): (userIdentifier: string, options?: UserToolsForOpenAiAgentsOptions) => Promise<UserToolForOpenAiAgents[]> {
  return async (userIdentifier, { consent, ...options } = {}) => {
    // A run that can be interrupted does not wait.
    const shared = { ...options, consent: consent === 'interrupt' ? ('fail' as const) : consent }
    const tools = await agentTools(latchkey, userIdentifier, shared)
    const callOptions = { ...shared, userIdentifier, interrupts: consent === 'interrupt' }
    return tools.map((userTool) => toTool(userTool, callOptions))
  }
}
