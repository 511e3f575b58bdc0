import { encodeHeaderValue } from '../upstream/headerValue.ts'
import { isObject } from '../upstream/protocol.ts'
import type { MirroredArgument } from '../upstream/listPage.ts'

const PREFIX = 'mcp-param-'

/**
 * The `Mcp-Param-*` headers of a request, to be forwarded. No other header of a client's is. `names` are those of all
 * headers, where they are known: most requests have none of these, and going through `Headers` to see that takes long.
 */
export function paramHeadersOf(headers: Headers, names?: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {}
  if (names?.some((name) => name.toLowerCase().startsWith(PREFIX)) === false) return found
  for (const [name, value] of headers) if (name.startsWith(PREFIX)) found[name] = value
  return found
}

/** What a client of the 2026-07-28 era would have sent in `Mcp-Param-*`, for a client that does not know them. */
export function mirroredHeaders(
  mirrored: readonly MirroredArgument[],
  args: Readonly<Record<string, unknown>>,
): Record<string, string> {
  const found: Record<string, string> = {}
  for (const { header, path } of mirrored) {
    const value = path.reduce<unknown>(
      (at, key) => (isObject(at) && Object.hasOwn(at, key) ? at[key] : undefined),
      args,
    )
    if (typeof value === 'string' || typeof value === 'boolean' || Number.isInteger(value)) {
      found[`${PREFIX}${header.toLowerCase()}`] = encodeHeaderValue(String(value))
    }
  }
  return found
}
