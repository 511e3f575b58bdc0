/** The upstream MCP server in a process of its own. Reads `BENCH_USER`; tells its URL and this user's key. */
import { startDirectoryServer } from '@latchkey/test/fixtures'
import { serveParent } from './serveParent.ts'

const directory = await startDirectoryServer()
serveParent({ url: directory.url, apiKey: directory.keys.issue(process.env['BENCH_USER'] ?? '') })
