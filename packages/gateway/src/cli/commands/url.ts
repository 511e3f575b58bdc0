import type { McpFileClient } from '@latchkey/core'
import { connectGateway, type GatewayAccess } from '../connectGateway.ts'
import { interrupted } from '../interrupted.ts'
import { createOutput } from '../output.ts'

interface UrlOptions extends GatewayAccess {
  readonly client?: McpFileClient
}

/** `latchkey url <user>`: the pre-authenticated URL, or a client's file that holds it, and nothing else, on standard output. */
export async function url(userIdentifier: string, { client, ...options }: UrlOptions): Promise<void> {
  const output = createOutput(options)
  using stop = interrupted()
  await using gateway = connectGateway(options)
  const config = await gateway.configName()
  const asked = { config, signal: stop.signal }
  const file = client && (await gateway.latchkey.mcpServer(userIdentifier, client, asked))
  const secretUrl = await gateway.latchkey.mcpUrl(userIdentifier, asked)
  output.note(
    `Whoever has this URL has the tools of user ${JSON.stringify(userIdentifier)}. To end it: latchkey rotate.`,
  )
  output.line(file ? JSON.stringify(file, null, 2) : secretUrl)
  output.json(file ?? { user: userIdentifier, config, url: secretUrl })
}
