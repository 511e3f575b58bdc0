/**
 * Upstreams that do nothing but list tools, in one process: as many as `BENCH_LISTS` says, each a little slower to answer
 * than the one before; and one that lists as many as all of them together, at once. Tells their URLs, the slowest last.
 */
import { setTimeout as delay } from 'node:timers/promises'
import * as z from 'zod'
import { listenOnFreePort } from './listenOnFreePort.ts'
import { serveParent } from './serveParent.ts'

const TOOLS = 5
/** Between two of them; so the first of 20 answers at once, and the last takes 95 ms. */
const STEP_MS = 5

const requestSchema = z.object({ id: z.union([z.string(), z.number()]), method: z.string() })
const LISTS = Number(process.env['BENCH_LISTS'])

function resultsWith(count: number): Readonly<Record<string, object>> {
  const tools = Array.from({ length: count }, (_, index) => ({
    name: `tool_${index}`,
    description: 'Does one thing, and says here in a sentence of usual length what that is and when it is of use.',
    inputSchema: { type: 'object', properties: { subject: { type: 'string' }, count: { type: 'integer' } } },
  }))
  const discovered = { supportedVersions: ['2026-07-28'], capabilities: { tools: {} } }
  return { 'server/discover': discovered, 'tools/list': { tools } }
}

/** Gives the URL. */
async function startUpstream(tools: number, latencyMs: number): Promise<string> {
  const results = resultsWith(tools)
  return `${await listenOnFreePort(async (request) => await answer(request, results, latencyMs))}/mcp`
}

async function answer(
  request: Request,
  results: Readonly<Record<string, object>>,
  latencyMs: number,
): Promise<Response> {
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
for (let index = 0; index < LISTS; index += 1) urls.push(await startUpstream(TOOLS, index * STEP_MS))
serveParent({ urls, whole: await startUpstream(TOOLS * LISTS, 0) })
