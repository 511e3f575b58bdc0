import type { CallToolResult, Tool } from '@modelcontextprotocol/client'
import { parseJsonObject } from '../http/parseJson.ts'

/** What a scripted tool does: gives the text of its result. */
export type ScriptedTool = (
  args: Readonly<Record<string, unknown>>,
  context: { readonly userIdentifier: string },
) => string | Promise<string>

export interface EndpointCall {
  readonly userIdentifier: string
  readonly tools: Readonly<Record<string, ScriptedTool>>
}

/** Answers one request to an MCP endpoint, as MCP 2026-07-28 says, with what this user may call. */
export async function answerMcp(body: string, call: EndpointCall): Promise<Response> {
  const { id, method, params } = parseJsonObject(body)
  if (id === undefined) return new Response(null, { status: 202 })
  const { name, arguments: args } = parseJsonObject(JSON.stringify(params ?? {}))
  const result = await answer(String(method), String(name), parseJsonObject(JSON.stringify(args ?? {})), call)
  if (result !== undefined) return Response.json({ jsonrpc: '2.0', id, result })
  const error = { code: method === 'tools/call' ? -32602 : -32601, message: 'there is no such thing here' }
  return Response.json({ jsonrpc: '2.0', id, error })
}

async function answer(
  method: string,
  name: string,
  args: Readonly<Record<string, unknown>>,
  { userIdentifier, tools }: EndpointCall,
): Promise<Record<string, unknown> | undefined> {
  if (method === 'server/discover') return DISCOVERED
  if (method === 'tools/list') {
    const listed = Object.keys(tools).map((tool): Tool => ({ name: tool, inputSchema: { type: 'object' } }))
    return { resultType: 'complete', tools: listed, ttlMs: 60_000, cacheScope: 'private' }
  }
  const run = method === 'tools/call' && Object.hasOwn(tools, name) ? tools[name] : undefined
  if (!run) return undefined
  const content: CallToolResult['content'] = [{ type: 'text', text: await run(args, { userIdentifier }) }]
  return { resultType: 'complete', content }
}

const DISCOVERED = {
  resultType: 'complete',
  supportedVersions: ['2026-07-28'],
  capabilities: { tools: {} },
  ttlMs: 0,
  cacheScope: 'private',
  _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'scripted', version: '1' } },
}
