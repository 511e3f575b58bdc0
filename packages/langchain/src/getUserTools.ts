import type { DynamicStructuredTool } from '@langchain/core/tools'
import { sharedLatchkeyOf, type ControlPlaneOptions } from '@latchkey/core'

import { createUserTools, type UserToolsForLangChainOptions } from './createUserTools.ts'

/** Where the control plane is, and how this user's tools are got and called. */
export interface GetUserToolsOptions extends ControlPlaneOptions, UserToolsForLangChainOptions {}

/**
 * Gets one user's tools, ready for `createAgent`, LangGraph's `ToolNode` or `model.bindTools`.
 *
 * The control plane comes from the options or the environment (`LATCHKEY_URL`, `LATCHKEY_CLIENT_ID`,
 * `LATCHKEY_CLIENT_SECRET`, `LATCHKEY_CONFIG`); calls with the same one share a Latchkey, so nothing has to be closed.
 *
 * @param userIdentifier - The app's own id of its user: 1–255 characters.
 * @throws {TypeError} naming the option that is missing and the two ways to give it.
 * @throws {LatchkeyError} as {@link createUserTools} says; `authorization_required` holds the links to show.
 *
 * @example
 * const tools = await getUserTools('user_123', {
 *   onAuthorizationRequired: (connections) => {
 *     for (const { connectionName, authenticationLink } of connections) show(connectionName, authenticationLink)
 *   },
 * })
 * const agent = createAgent({ model: 'openai:gpt-5', tools })
 */
export async function getUserTools(
  userIdentifier: string,
  options: GetUserToolsOptions = {},
): Promise<DynamicStructuredTool[]> {
  return createUserTools(sharedLatchkeyOf(options))(userIdentifier, options)
}
