/** One tool that anybody may call, by an upstream in a process of its own. Tells its URL. */
import * as z from 'zod'
import { listenOnFreePort } from '../relay/listenOnFreePort.ts'

const requestSchema = z.object({ id: z.union([z.string(), z.number()]).optional(), method: z.string() })
const results: Readonly<Record<string, object>> = {
  'server/discover': { supportedVersions: ['2026-07-28'], capabilities: { tools: {} } },
  'tools/list': { tools: [{ name: 'ping', inputSchema: { type: 'object' } }], ttlMs: 60_000, cacheScope: 'private' },
  'tools/call': { content: [{ type: 'text', text: 'pong' }] },
}

process.on('disconnect', () => process.exit())
const url = await listenOnFreePort(async (request) => {
  const { id, method } = requestSchema.parse(await request.json())
  const result = results[method]
  const outcome =
    result === undefined
      ? { error: { code: -32_601, message: 'Method not found' } }
      : { result: { resultType: 'complete', ...result } }
  return Response.json({ jsonrpc: '2.0', id, ...outcome })
})
process.send?.({ url: `${url}/mcp` })
