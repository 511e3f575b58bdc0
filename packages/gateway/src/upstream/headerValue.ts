/**
 * How a text travels in `Mcp-Name` and `Mcp-Param-*` (2026-07-28, Streamable HTTP, "Value Encoding"): as it is where it
 * is plain ASCII, else as `=?base64?…?=`.
 */
const SENTINEL = /^=\?base64\?(.*)\?=$/s
const PLAIN = /^[\u0021-\u007e](?:[\u0020-\u007e\t]*[\u0021-\u007e])?$/
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

export function encodeHeaderValue(value: string): string {
  if (PLAIN.test(value) && !SENTINEL.test(value)) return value
  return `=?base64?${Buffer.from(value, 'utf8').toString('base64')}?=`
}

/** Undefined where the value is not what the encoding can produce. */
export function decodeHeaderValue(value: string): string | undefined {
  const encoded = SENTINEL.exec(value)?.[1]
  if (encoded === undefined) return value
  if (!BASE64.test(encoded)) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(encoded, 'base64'))
  } catch {
    return undefined
  }
}
