import { confirm } from '../confirm.ts'
import { connectGateway, type GatewayAccess } from '../connectGateway.ts'
import { findInstance } from '../findInstance.ts'
import { interrupted } from '../interrupted.ts'
import { createOutput } from '../output.ts'

export interface RotateOptions extends GatewayAccess {
  readonly yes?: boolean | undefined
}

/** `latchkey rotate <user>`: gives the user's instance another URL. The new one is not printed: `url` does that. */
export async function rotate(userIdentifier: string, options: RotateOptions): Promise<void> {
  const output = createOutput(options)
  await using gateway = connectGateway(options)
  const { id, configName: config } = await findInstance(gateway, userIdentifier)
  const whose = `user ${JSON.stringify(userIdentifier)} and the MCP config ${JSON.stringify(config)}`
  await confirm(`This ends the MCP URL of ${whose}, at once.`, options)
  using stop = interrupted()
  await gateway.manage.rotateUrl(id, { signal: stop.signal })
  output.line(`The old MCP URL of ${whose} is dead. The new one: latchkey url ${userIdentifier}`)
  output.json({ user: userIdentifier, config, instanceId: id, rotated: true })
}
