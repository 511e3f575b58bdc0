const MAX_HEADER_CHARS = 8 * 1024
const MAX_SCOPES = 64
const MAX_SCOPE_CHARS = 256
/** RFC 6749 section 3.3. */
const SCOPE = /^[\u0021\u0023-\u005b\u005d-\u007e]+$/

/**
 * What a `WWW-Authenticate` header says is needed beyond what was granted: scopes, divided by spaces, empty where it names
 * none; undefined where it says something else (RFC 6750 section 3.1, `insufficient_scope`). Nothing else of it is read.
 */
export function scopeChallenge(header: string | undefined): string | undefined {
  if (header === undefined || header.length > MAX_HEADER_CHARS) return undefined
  if (!/(?:^|,)\s*(?:Bearer|DPoP)\s/i.test(header) || parameter(header, 'error') !== 'insufficient_scope')
    return undefined
  const scopes = (parameter(header, 'scope') ?? '').split(' ')
  return [...new Set(scopes)].filter(isScope).slice(0, MAX_SCOPES).join(' ')
}

function isScope(scope: string): boolean {
  return scope.length <= MAX_SCOPE_CHARS && SCOPE.test(scope)
}

function parameter(header: string, name: string): string | undefined {
  for (const [, key = '', quoted, token] of header.matchAll(
    /(?<![A-Za-z_-])([A-Za-z_-]+)\s*=\s*(?:"([^"]*)"|([^\s",]+))/g,
  )) {
    if (key.toLowerCase() === name) return quoted ?? token
  }
  return undefined
}
