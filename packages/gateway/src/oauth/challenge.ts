import { randomUUID } from 'node:crypto'
import { extractWWWAuthenticateParams } from '@modelcontextprotocol/client'
import type { Connection } from '../domain.ts'
import type { OAuthContext } from './context.ts'
import { REQUEST_DEADLINE_MS } from './protocolRequest.ts'

export interface Challenge {
  /** Where the upstream says that its protected-resource metadata is. */
  readonly metadataUrl: URL | undefined
  /** What the upstream says is needed to use it. */
  readonly scope: string | undefined
}

const PROTOCOL_VERSION = '2026-07-28'

/** Calls the upstream without a token, to learn from its 401 where and for what to authorize (RFC 9728 section 5.1). */
export async function readChallenge({ fetch }: OAuthContext, connection: Connection): Promise<Challenge> {
  const response = await fetch(connection.mcpServerUrl, {
    method: 'POST',
    headers: {
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      'mcp-protocol-version': PROTOCOL_VERSION,
      'mcp-method': 'server/discover',
    },
    body: discoverRequest(),
    signal: AbortSignal.timeout(REQUEST_DEADLINE_MS),
  })
  await response.body?.cancel()
  if (response.status !== 401) return { metadataUrl: undefined, scope: undefined }
  const { resourceMetadataUrl, scope } = extractWWWAuthenticateParams(response)
  return { metadataUrl: resourceMetadataUrl, scope }
}

/** `server/discover` has no effect in either era: a modern server answers it, an older one does not know it. */
function discoverRequest(): string {
  return JSON.stringify({
    jsonrpc: '2.0',
    id: randomUUID(),
    method: 'server/discover',
    params: {
      _meta: {
        'io.modelcontextprotocol/protocolVersion': PROTOCOL_VERSION,
        'io.modelcontextprotocol/clientInfo': { name: 'latchkey', version: '0.0.0' },
        'io.modelcontextprotocol/clientCapabilities': {},
      },
    },
  })
}
