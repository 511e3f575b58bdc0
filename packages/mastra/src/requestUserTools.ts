import type { Latchkey } from '@latchkey/core'
import { MASTRA_RESOURCE_ID_KEY, type RequestContext } from '@mastra/core/request-context'

import { createUserTools, type UserToolsForMastra, type UserToolsForMastraOptions } from './createUserTools.ts'

export interface RequestUserToolsOptions extends UserToolsForMastraOptions {
  /**
   * Whose request it is. Default: what is at `MASTRA_RESOURCE_ID_KEY`, which Mastra's server sets from its
   * authentication. Whoever sends a request to that server can set every key that is not reserved, such as `userId`.
   */
  userIdentifier?: ((requestContext: RequestContext) => string) | undefined
}

/**
 * For one agent that serves all users: gives the tools of the user whose request it is. Pass it as the agent's `tools`;
 * and call it in `prepareStep`, too, for each step to have the tools as they are at that moment, such as those of a
 * connection that became ACTIVE meanwhile.
 *
 * @param latchkey - Made by `createLatchkey` of `@latchkey/core`.
 * @throws {LatchkeyError} in the run, what `createUserTools` throws. A `TypeError` in the run if its request context does
 * not say whose it is.
 *
 * @example
 * const tools = requestUserTools(latchkey, { require: 'any', consent: 'suspend' })
 * const agent = new Agent({ id: 'mail', name: 'Mail', instructions: 'Help with mail.', model: 'openai/gpt-5', tools })
 * await agent.generate(prompt, { requestContext: new RequestContext([[MASTRA_RESOURCE_ID_KEY, 'user_123']]) })
 */
export function requestUserTools(
  latchkey: Pick<Latchkey, 'userTools'>,
  { userIdentifier = resourceIdOf, ...options }: RequestUserToolsOptions = {},
): (request: { requestContext: RequestContext }) => Promise<UserToolsForMastra> {
  const userTools = createUserTools(latchkey)
  return async ({ requestContext }) => await userTools(userIdentifier(requestContext), options)
}

function resourceIdOf(requestContext: RequestContext): string {
  const resourceId = requestContext.get(MASTRA_RESOURCE_ID_KEY)
  if (typeof resourceId === 'string') return resourceId
  throw new TypeError(
    'the request does not say whose it is: set MASTRA_RESOURCE_ID_KEY in its request context, or give the option `userIdentifier`',
  )
}
