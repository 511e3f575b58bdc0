import type { Context } from 'hono'
import type { GatewayError } from '../errors.ts'
import { errorResponse } from './errorResponse.ts'

/** A page for a person: made by the room that has pages. */
export type RefusalPage = (context: Context, error: GatewayError) => Response | Promise<Response>

/** JSON-RPC's own range for what a server makes up. */
const REFUSED = -32_000

/**
 * The answer to a request that was not carried out, in the form that its caller reads: JSON-RPC for MCP clients, a page
 * for people, the control plane's error for apps.
 */
export async function refuse(context: Context, error: GatewayError, page: RefusalPage): Promise<Response> {
  const { path } = context.req
  if (path.startsWith('/connect') || /^\/oauth\/callback(?:\/|$)/.test(path) || path.startsWith('/oauth/result/')) {
    return await page(context, error)
  }
  const plain = errorResponse(context, error)
  if (!path.startsWith('/mcp/')) return plain
  const body = { jsonrpc: '2.0', id: null, error: { code: REFUSED, message: error.message } }
  const headers = new Headers(plain.headers)
  headers.set('cache-control', 'no-store')
  return new Response(JSON.stringify(body), { status: plain.status, headers })
}
