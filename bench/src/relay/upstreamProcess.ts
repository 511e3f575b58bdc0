/** The upstream MCP server in a process of its own. */
import { startDirectoryServer } from '@latchkey/test/fixtures'
import { serveParent } from './serveParent.ts'

await serveParent(async ({ user }: { user: string }) => {
  const directory = await startDirectoryServer()
  return { url: directory.url, apiKey: directory.keys.issue(user) }
})
