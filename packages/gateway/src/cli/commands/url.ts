import { connectGateway, type GatewayAccess } from '../connectGateway.ts'
import { interrupted } from '../interrupted.ts'
import { createOutput } from '../output.ts'

/** `latchkey url <user>`: the pre-authenticated URL, and nothing else, on standard output. */
export async function url(userIdentifier: string, options: GatewayAccess): Promise<void> {
  const output = createOutput(options)
  using stop = interrupted()
  await using gateway = connectGateway(options)
  const config = await gateway.configName()
  const secretUrl = await gateway.latchkey.mcpUrl(userIdentifier, { config, signal: stop.signal })
  output.note(
    `Whoever has this URL has the tools of user ${JSON.stringify(userIdentifier)}. To end it: latchkey rotate.`,
  )
  output.line(secretUrl)
  output.json({ user: userIdentifier, config, url: secretUrl })
}
