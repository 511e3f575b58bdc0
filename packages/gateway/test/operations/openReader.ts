import { openGateway } from './openGateway.ts'

/** A gateway before one upstream that everybody may use, and the URL of a user's endpoint. */
export async function openReader(mcpServerUrl: string) {
  const opened = await openGateway({
    publicUrl: 'http://127.0.0.1:8787',
    connections: { docs: { mcpServerUrl, auth: { type: 'none' } } },
    configs: { reader: { docs: '*' } },
  })
  const app = await opened.asApp()
  const ids = { config_name: 'reader', user_identifier: 'ada' }
  const { instance } = await (await app('POST', '/api/v1/mcp/instances', ids)).json()
  return { opened, url: String(instance.url) }
}
