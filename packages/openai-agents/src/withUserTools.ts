import { userIdOf, type Latchkey } from '@latchkey/core'
import type { Agent, AgentOutputType, RunContext } from '@openai/agents'

import { consentTool } from './consent.ts'
import { createUserTools, type UserToolsForOpenAiAgentsOptions } from './createUserTools.ts'

export interface WithUserToolsOptions extends UserToolsForOpenAiAgentsOptions {
  /** Whose run it is, from the run's context. Default: `context.userId`. */
  userIdentifier?: ((context: unknown) => string) | undefined
}

/**
 * For one agent that serves all users: a copy of it that has, in each step, also the tools of the user whose run it is, as
 * they are at that moment, so that the tools of a connection that became ACTIVE meanwhile are there.
 *
 * @param latchkey - Made by `createLatchkey` of `@latchkey/core`.
 * @throws {LatchkeyError} in the run, what `createUserTools` throws. A `TypeError` in the run if its context does not say
 * whose it is.
 *
 * @example
 * const agent = withUserTools(new Agent<{ userId: string }>({ name: 'Mail', model: 'gpt-5' }), latchkey, { require: 'any' })
 * await run(agent, 'Send it.', { context: { userId: 'user_123' } })
 */
export function withUserTools<Context, Output extends AgentOutputType>(
  agent: Agent<Context, Output>,
  latchkey: Pick<Latchkey, 'userTools'>,
  { userIdentifier = userIdOf, ...options }: WithUserToolsOptions = {},
): Agent<Context, Output> {
  const userTools = createUserTools(latchkey)
  // Nobody is offered it, but a run that stopped for consent is read by means of it.
  const hidden = Object.assign(consentTool('authorize'), { isEnabled: async () => false })
  const shared = agent.clone({ tools: [...agent.tools, hidden] })
  const getAllTools = shared.getAllTools.bind(shared)
  shared.getAllTools = async (runContext: RunContext<Context>, ...rest) => [
    ...(await getAllTools(runContext, ...rest)),
    ...(await userTools(userIdentifier(runContext.context), options)),
  ]
  return shared
}
