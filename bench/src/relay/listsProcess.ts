/**
 * Upstreams that do nothing but list tools, in one process: as many as `BENCH_LISTS` says, each a little slower to answer
 * than the one before. Tells their URLs, the slowest last.
 */
import { setTimeout as delay } from 'node:timers/promises'
import * as z from 'zod'
import { listenOnFreePort } from './listenOnFreePort.ts'
import { serveParent } from './serveParent.ts'

const TOOLS = 5
/** Between two of them; so the first of 20 answers at once, and the last takes 95 ms. */
const STEP_MS = 5

const requestSchema = z.object({ id: z.union([z.string(), z.number()]), method: z.string() })
const tools = Array.from({ length: TOOLS }, (_, index) => ({
  name: `tool_${index}`,
  description: 'Does one thing, and says here in a sentence of usual length what that is and when it is of use.',
  inputSchema: { type: 'object', properties: { subject: { type: 'string' }, count: { type: 'integer' } } },
}))
const results: Readonly<Record<string, object>> = {
  'server/discover': { supportedVersions: ['2026-07-28'], capabilities: { tools: {} } },
  'tools/list': { tools },
}

async function answer(request: Request, latencyMs: number): Promise<Response> {
  const { id, method } = requestSchema.parse(await request.json())
  if (latencyMs > 0) await delay(latencyMs)
  const result = results[method]
  const outcome =
    result === undefined
      ? { error: { code: -32_601, message: 'Method not found' } }
      : { result: { resultType: 'complete', ttlMs: 3_600_000, cacheScope: 'private', ...result } }
  return Response.json({ jsonrpc: '2.0', id, ...outcome })
}

const urls: string[] = []
for (let index = 0; index < Number(process.env['BENCH_LISTS']); index += 1) {
  urls.push(`${await listenOnFreePort(async (request) => await answer(request, index * STEP_MS))}/mcp`)
}
serveParent({ urls })
