import { sharedLatchkeyOf, type ControlPlaneOptions } from '@latchkey/core'

import { createUserTools, type UserToolsForMastra, type UserToolsForMastraOptions } from './createUserTools.ts'

/** Where the control plane is, and how this user's tools are got and called. */
export interface GetUserToolsOptions extends ControlPlaneOptions, UserToolsForMastraOptions {}

/**
 * Gets one user's tools, ready for an `Agent`'s `tools`, or for `toolsets` of one call.
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
 * const agent = new Agent({ id: 'mail', name: 'Mail', instructions: 'Help with mail.', model: 'openai/gpt-5', tools })
 */
export async function getUserTools(
  userIdentifier: string,
  options: GetUserToolsOptions = {},
): Promise<UserToolsForMastra> {
  return createUserTools(sharedLatchkeyOf(options))(userIdentifier, options)
}
