import { encodeInPieces, isLong } from '../longText.ts'
import { streamOf } from '../streamOf.ts'
import { JSON_TYPE, REFUSED, type RequestId } from '../upstream/protocol.ts'

const HEADERS = { 'content-type': JSON_TYPE, 'cache-control': 'no-store' }

/** One JSON-RPC message as an HTTP answer. Nothing of a request or of an upstream's headers is in it. */
export function jsonReply(text: string, status = 200, headers?: Readonly<Record<string, string>>): Response {
  const init = { status, headers: headers === undefined ? HEADERS : { ...HEADERS, ...headers } }
  return new Response(isLong(text) ? streamOf(encodeInPieces(text)) : text, init)
}

export function resultText(id: RequestId, result: string): string {
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}`
}

export interface RpcError {
  readonly code: number
  readonly message: string
  readonly data?: unknown
}

export function errorText(id: RequestId | null, { code, message, data }: RpcError): string {
  return JSON.stringify({ jsonrpc: '2.0', id, error: { code, message, ...(data === undefined ? {} : { data }) } })
}

export function resultReply(id: RequestId, result: string): Response {
  return jsonReply(resultText(id, result))
}

export function errorReply(
  id: RequestId | null,
  error: RpcError,
  status: number,
  headers?: Readonly<Record<string, string>>,
): Response {
  return jsonReply(errorText(id, error), status, headers)
}

export function accepted(): Response {
  return new Response(null, { status: 202 })
}

/** The same bytes for every URL that does not work, whatever the reason (security T4). */
export function unknownUrl(): Response {
  return errorReply(null, { code: REFUSED, message: 'Not found: there is no MCP endpoint here' }, 404)
}

/** The same bytes for every token that does not work, whatever the reason (security T4, T37). */
export function invalidToken(): Response {
  const message = 'Unauthorized: a valid session token is needed in the Authorization header'
  return errorReply(null, { code: REFUSED, message }, 401, { 'www-authenticate': 'Bearer error="invalid_token"' })
}

/** The same whether the token is good or not: nobody looks at it. */
export function tokenInQuery(): Response {
  const message = 'A token does not belong in the query: put it into the Authorization header'
  return errorReply(null, { code: REFUSED, message }, 400)
}

export function methodNotAllowed(): Response {
  return errorReply(null, { code: REFUSED, message: 'Method not allowed' }, 405, { allow: 'POST' })
}

/** Surely nothing was carried out: it is refused before anything is read. */
export function tooManyRequests(seconds: number): Response {
  const message = `Too many requests: nothing was carried out; try again in ${seconds} s`
  return errorReply(null, { code: REFUSED, message }, 429, { 'retry-after': String(seconds) })
}
