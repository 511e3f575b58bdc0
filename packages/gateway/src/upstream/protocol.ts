import type { WrittenNumber } from './writtenNumber.ts'

/** The Model Context Protocol's names, as far as a relay has to know them. */

/** Revisions that carry version, identity and capabilities with each request, newest first. */
export const MODERN_VERSIONS: readonly string[] = ['2026-07-28']
/** Revisions that start with an `initialize` handshake, newest first. */
export const LEGACY_VERSIONS: readonly string[] = ['2025-11-25', '2025-06-18', '2025-03-26']

export const MODERN_VERSION = '2026-07-28'
export const LEGACY_VERSION = '2025-11-25'

/** What a request without the version header speaks, as the 2025-06-18 revision says. */
export const VERSION_WITHOUT_HEADER = '2025-03-26'

export const VERSION_META = 'io.modelcontextprotocol/protocolVersion'
export const CLIENT_INFO_META = 'io.modelcontextprotocol/clientInfo'
export const CLIENT_CAPABILITIES_META = 'io.modelcontextprotocol/clientCapabilities'
export const LOG_LEVEL_META = 'io.modelcontextprotocol/logLevel'
export const SERVER_INFO_META = 'io.modelcontextprotocol/serverInfo'

/** The `_meta` keys that make a request one of the 2026-07-28 era. */
export const ENVELOPE_META: ReadonlySet<string> = new Set([
  VERSION_META,
  CLIENT_INFO_META,
  CLIENT_CAPABILITIES_META,
  LOG_LEVEL_META,
])

export const PARSE_ERROR = -32_700
export const INVALID_REQUEST = -32_600
export const METHOD_NOT_FOUND = -32_601
export const INVALID_PARAMS = -32_602
/** Ours, from the range that the protocol leaves to implementations. */
export const UPSTREAM_FAILED = -32_010
export const REFUSED = -32_000
export const SESSION_NOT_FOUND = -32_001
export const HEADER_MISMATCH = -32_020
export const MISSING_CLIENT_CAPABILITY = -32_021
export const UNSUPPORTED_VERSION = -32_022
/** 2025-11-25 only. */
export const URL_ELICITATION_REQUIRED = -32_042

export type Era = 'modern' | 'legacy'

/** A number of a client is as it was written. */
export type RequestId = string | number | WrittenNumber

export const JSON_TYPE = 'application/json'
export const SSE_TYPE = 'text/event-stream'

/** The media type without its parameters, in lower case. */
export function mediaType(contentType: string | null | undefined): string {
  const value = contentType ?? ''
  return (value.split(';', 1)[0] ?? '').trim().toLowerCase()
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Longer ones serve nobody, and they are kept for as long as a call is under way. */
const MAX_ID_CHARS = 1024

/** An upstream's session id is part of an id under which a client is asked, and may be as long as a header may be. */
const MAX_RESPONSE_ID_CHARS = 32 * 1024

/** The id of a client's response: one of ours, so that it may be longer than a client's own. */
export function isResponseId(value: unknown): value is RequestId {
  return typeof value === 'string' ? value.length <= MAX_RESPONSE_ID_CHARS : isRequestId(value)
}

export function isRequestId(value: unknown): value is RequestId {
  if (JSON.isRawJSON(value)) return value.rawJSON.length <= MAX_ID_CHARS
  return typeof value === 'string' ? value.length <= MAX_ID_CHARS : typeof value === 'number' && Number.isFinite(value)
}
