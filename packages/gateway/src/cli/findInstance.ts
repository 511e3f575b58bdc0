import type { McpInstance } from '@latchkey/core'
import { CommandError } from './commandError.ts'
import type { ConnectedGateway } from './connectGateway.ts'
import { EXIT } from './exitCodes.ts'

/** The user's instance of the config, without making one for whoever was misspelt. */
export async function findInstance(
  { manage, configName }: ConnectedGateway,
  userIdentifier: string,
  signal?: AbortSignal,
): Promise<McpInstance> {
  const config = await configName()
  const [instance] = await manage.findInstances({ userIdentifier, configName: config }, { signal })
  if (instance !== undefined) return instance
  throw new CommandError(
    EXIT.notFound,
    'unknown_user',
    `User ${JSON.stringify(userIdentifier)} has no MCP instance of the config ${JSON.stringify(config)}. ` +
      `Check the spelling, or make one: latchkey connect ${userIdentifier}`,
  )
}
