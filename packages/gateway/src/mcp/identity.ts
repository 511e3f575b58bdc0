import { SERVER_INFO_META, MODERN_VERSIONS } from '../upstream/protocol.ts'

export interface ServerInfo {
  readonly name: string
  readonly version: string
}

/** One hour: what the endpoint can do changes only with its version. */
const DISCOVER_TTL_MS = 3_600_000

/**
 * What the gateway can relay, whatever stands behind it: which upstreams are there changes with every consent, and a
 * list of what none of them has is empty.
 */
const MODERN_CAPABILITIES = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
  completions: {},
}
const LEGACY_CAPABILITIES = { ...MODERN_CAPABILITIES, logging: {} }

/** The answer to `server/discover`; the same for everybody, and told to nobody else's cache. */
export function discoverResult(serverInfo: ServerInfo): Record<string, unknown> {
  return {
    resultType: 'complete',
    supportedVersions: [...MODERN_VERSIONS],
    capabilities: MODERN_CAPABILITIES,
    ttlMs: DISCOVER_TTL_MS,
    cacheScope: 'private',
    _meta: { [SERVER_INFO_META]: serverInfo },
  }
}

/** The answer to `initialize` of the 2025 revisions. */
export function initializeResult(serverInfo: ServerInfo, protocolVersion: string): Record<string, unknown> {
  return { protocolVersion, capabilities: LEGACY_CAPABILITIES, serverInfo }
}
