import { SERVER_INFO_META, MODERN_VERSIONS } from '../upstream/protocol.ts'

export interface ServerInfo {
  readonly name: string
  readonly version: string
}

/** One hour: what the endpoint can do changes only with its version. */
const DISCOVER_TTL_MS = 3_600_000

/** The answer to `server/discover`; the same for everybody, and told to nobody else's cache. */
export function discoverResult(serverInfo: ServerInfo): Record<string, unknown> {
  return {
    resultType: 'complete',
    supportedVersions: [...MODERN_VERSIONS],
    capabilities: { tools: {} },
    ttlMs: DISCOVER_TTL_MS,
    cacheScope: 'private',
    _meta: { [SERVER_INFO_META]: serverInfo },
  }
}

/** The answer to `initialize` of the 2025 revisions. */
export function initializeResult(serverInfo: ServerInfo, protocolVersion: string): Record<string, unknown> {
  return { protocolVersion, capabilities: { tools: {} }, serverInfo }
}
