import { pauseAfter } from '../longText.ts'
import { decodeHeaderValue } from '../upstream/headerValue.ts'
import { assertWithinBounds, TooComplexError } from '../upstream/jsonBounds.ts'
import { DuplicateKeyError, member, members, type Member, type Span } from '../upstream/jsonSpans.ts'
import {
  CLIENT_CAPABILITIES_META,
  HEADER_MISMATCH,
  INVALID_PARAMS,
  INVALID_REQUEST,
  isObject,
  isRequestId,
  isResponseId,
  LEGACY_VERSIONS,
  MODERN_VERSION,
  MODERN_VERSIONS,
  PARSE_ERROR,
  UNSUPPORTED_VERSION,
  VERSION_META,
  VERSION_WITHOUT_HEADER,
  type Era,
  type RequestId,
} from '../upstream/protocol.ts'
import { asWritten } from '../upstream/writtenNumber.ts'
import type { RpcError } from './replies.ts'

/** A request as a client sent it: what it means, and where in its text that stands. */
export interface InboundRequest {
  readonly kind: 'request'
  readonly era: Era
  readonly version: string
  readonly id: RequestId
  readonly method: string
  readonly params: Record<string, unknown>
  readonly text: string
  readonly top: readonly Member[]
  /** Of `params`; empty where there are none. */
  readonly inParams: readonly Member[]
}

/** A client's answer to a request that an upstream made of it. */
export interface InboundResponse {
  readonly kind: 'response'
  readonly id: RequestId
  readonly text: string
  readonly top: readonly Member[]
}

export type Inbound =
  | InboundRequest
  | { readonly kind: 'notification'; readonly method: string; readonly params: Record<string, unknown> }
  | InboundResponse
  | { readonly kind: 'invalid'; readonly id: RequestId | null; readonly error: RpcError; readonly status: number }

/** Which body field `Mcp-Name` repeats. */
const NAME_SOURCE: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
])

const TOO_COMPLEX = 'Invalid request: the body has more levels or values than the gateway takes'

/**
 * Reads one message: its shape, its era, and for the 2026-07-28 era whether the headers say what the body says
 * (Streamable HTTP, "Server Validation"). A long one takes a turn for each look at it (security T46).
 */
export async function readInbound(text: string, headers: Headers): Promise<Inbound> {
  let body: unknown
  try {
    assertWithinBounds(text)
    await pauseAfter(text)
    body = JSON.parse(text)
  } catch (error) {
    if (error instanceof TooComplexError) return invalid(null, 400, INVALID_REQUEST, TOO_COMPLEX)
    return invalid(null, 400, PARSE_ERROR, 'Parse error: the body is not valid JSON')
  }
  await pauseAfter(text)
  if (Array.isArray(body)) return invalid(null, 400, INVALID_REQUEST, 'Invalid request: batches are not supported')
  if (!isObject(body) || body['jsonrpc'] !== '2.0') return notAMessage(null)
  try {
    return readMessage(text, body, headers)
  } catch (error) {
    if (!(error instanceof DuplicateKeyError)) throw error
    return invalid(null, 400, INVALID_REQUEST, 'Invalid request: an object has the same member twice')
  }
}

function readMessage(text: string, body: Record<string, unknown>, headers: Headers): Inbound {
  const top = members(text)
  for (const key of ['id', 'method', 'params', 'result']) member(top, key)
  const { method, params = {} } = body
  const id = asWritten(body['id'], textAt(text, member(top, 'id')))
  if (typeof method !== 'string') {
    return isResponseId(id) && ('result' in body || 'error' in body)
      ? { kind: 'response', id, text, top }
      : notAMessage(null)
  }
  if ('id' in body && !isRequestId(id)) return notAMessage(null)
  if (!isObject(params)) return invalid(echo(id), 400, INVALID_REQUEST, 'Invalid request: params is not an object')
  if (!isRequestId(id)) return { kind: 'notification', method, params }
  const inParams = membersOfParams(text, top)
  const request = { kind: 'request', id, method, params, text, top, inParams } as const
  return claimsModern(params, headers) ? modernRequest(request, headers) : legacyRequest(request, headers)
}

type Unclassified = Omit<InboundRequest, 'era' | 'version'>

function claimsModern(params: Record<string, unknown>, headers: Headers): boolean {
  const meta = params['_meta']
  if (isObject(meta) && VERSION_META in meta) return true
  const header = headers.get('mcp-protocol-version')
  return header !== null && isModern(header)
}

/** Revisions are dates, so that they compare as text. */
function isModern(version: string): boolean {
  return /^\d{4}-\d{2}-\d{2}$/.test(version) && version >= MODERN_VERSION
}

function modernRequest(request: Unclassified, headers: Headers): Inbound {
  const { id, method, params } = request
  const meta = isObject(params['_meta']) ? params['_meta'] : {}
  const version = meta[VERSION_META]
  const header = headers.get('mcp-protocol-version')
  if (method === 'initialize' && version === undefined) {
    return mismatch(id, 'initialize belongs to an earlier revision than the MCP-Protocol-Version header names')
  }
  if (typeof version !== 'string' || !isObject(meta[CLIENT_CAPABILITIES_META])) {
    const missing = typeof version === 'string' ? CLIENT_CAPABILITIES_META : VERSION_META
    return invalid(id, 400, INVALID_PARAMS, `Invalid params: _meta lacks a valid ${missing}`)
  }
  if (header !== null && header !== version) return mismatch(id, 'MCP-Protocol-Version differs from _meta')
  if (!MODERN_VERSIONS.includes(version)) return unsupported(id, version)
  if (header === null) return mismatch(id, 'MCP-Protocol-Version is missing')
  return headerProblem(request, headers) ?? { ...request, era: 'modern', version }
}

function headerProblem({ id, method, params }: Unclassified, headers: Headers): Inbound | undefined {
  const methodHeader = headers.get('mcp-method')
  if (methodHeader === null) return mismatch(id, 'Mcp-Method is missing')
  if (methodHeader !== method) return mismatch(id, 'Mcp-Method differs from the body')
  const source = NAME_SOURCE.get(method)
  if (source === undefined) return undefined
  const name = params[source]
  const nameHeader = headers.get('mcp-name')
  if (nameHeader === null) return name === undefined ? undefined : mismatch(id, 'Mcp-Name is missing')
  if (decodeHeaderValue(nameHeader) !== name) return mismatch(id, 'Mcp-Name differs from the body')
  return undefined
}

function legacyRequest(request: Unclassified, headers: Headers): Inbound {
  const { id, method, params } = request
  if (method === 'initialize') {
    const asked = params['protocolVersion']
    const version = typeof asked === 'string' && LEGACY_VERSIONS.includes(asked) ? asked : (LEGACY_VERSIONS[0] ?? '')
    return { ...request, era: 'legacy', version }
  }
  const version = headers.get('mcp-protocol-version') ?? VERSION_WITHOUT_HEADER
  if (!LEGACY_VERSIONS.includes(version)) return unsupported(id, version)
  const accept = headers.get('accept') ?? ''
  const wanted = accept.includes('*/*') || (accept.includes('application/json') && accept.includes('text/event-stream'))
  return wanted ? { ...request, era: 'legacy', version } : notAcceptable(id)
}

/** A name that decides something must not occur twice: what we check has to be what the upstream reads. */
export function membersOfParams(text: string, top: readonly Member[]): readonly Member[] {
  const params = member(top, 'params')
  if (params === undefined) return []
  const inParams = members(text, params.start)
  for (const key of ['name', 'uri', 'ref', '_meta', 'arguments', 'inputResponses', 'requestState'])
    member(inParams, key)
  const meta = membersOf(text, member(inParams, '_meta'))
  for (const key of [VERSION_META, CLIENT_CAPABILITIES_META, 'progressToken']) member(meta, key)
  const ref = membersOf(text, member(inParams, 'ref'))
  for (const key of ['type', 'name', 'uri']) member(ref, key)
  return inParams
}

/** A value as it is written: a number may have more digits than a parser keeps. */
export function textAt(text: string, place: Span | undefined): string | undefined {
  return place && text.slice(place.start, place.end)
}

function membersOf(text: string, place: Member | undefined): readonly Member[] {
  return place === undefined ? [] : members(text, place.start)
}

function echo(id: unknown): RequestId | null {
  return isRequestId(id) ? id : null
}

function invalid(id: RequestId | null, status: number, code: number, message: string, data?: unknown): Inbound {
  return { kind: 'invalid', id, status, error: { code, message, ...(data === undefined ? {} : { data }) } }
}

function notAMessage(id: RequestId | null): Inbound {
  return invalid(id, 400, INVALID_REQUEST, 'Invalid request: the body is not a JSON-RPC 2.0 message')
}

function mismatch(id: RequestId, what: string): Inbound {
  return invalid(id, 400, HEADER_MISMATCH, `Header mismatch: ${what}`)
}

function unsupported(id: RequestId, requested: string): Inbound {
  const data = { supported: MODERN_VERSIONS, requested }
  return invalid(id, 400, UNSUPPORTED_VERSION, 'Unsupported protocol version', data)
}

function notAcceptable(id: RequestId): Inbound {
  const message = 'Not acceptable: the client must accept both application/json and text/event-stream'
  return invalid(id, 406, -32_000, message)
}
