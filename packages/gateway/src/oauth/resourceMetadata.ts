import { z } from 'zod'
import type { Connection } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { oauthOf, type OAuthContext } from './context.ts'
import { failureOf, isTransientStatus } from './protocolError.ts'
import { REQUEST_DEADLINE_MS } from './protocolRequest.ts'

const schema = z.object({
  resource: z.string(),
  authorization_servers: z.array(z.string()).min(1),
  scopes_supported: z.array(z.string()).optional(),
})

export type ResourceMetadata = z.infer<typeof schema>

interface Place {
  readonly url: URL
  /** The identifiers that a document at this place may speak for (RFC 9728 section 3.3). */
  readonly speaksFor: readonly URL[]
}

const WELL_KNOWN = '/.well-known/oauth-protected-resource'

/**
 * The upstream's protected-resource metadata: where its challenge says, else at the well-known places in the order of the
 * MCP specification. A document that speaks for another resource is refused: it could have tokens for a neighbour sent
 * to this upstream.
 */
export async function fetchResourceMetadata(
  context: OAuthContext,
  connection: Connection,
  challenged: URL | undefined,
): Promise<ResourceMetadata> {
  for (const place of placesOf(new URL(connection.mcpServerUrl), challenged)) {
    const metadata = await fetchFrom(context, connection, place)
    if (metadata) return metadata
  }
  throw new GatewayError(
    'upstream_invalid',
    `${connection.displayName} does not say where to authorize (it has no OAuth protected-resource metadata).`,
  )
}

function placesOf(server: URL, challenged: URL | undefined): readonly Place[] {
  const path = server.pathname === '/' ? '' : server.pathname
  const root: Place = { url: new URL(WELL_KNOWN, server.origin), speaksFor: [server, new URL(server.origin)] }
  if (challenged) return [challenged.href === root.url.href ? root : { url: challenged, speaksFor: [server] }]
  return path === '' ? [root] : [{ url: new URL(WELL_KNOWN + path, server.origin), speaksFor: [server] }, root]
}

/** Undefined if there is no document at this place. */
async function fetchFrom(
  { fetch }: OAuthContext,
  connection: Connection,
  { url, speaksFor }: Place,
): Promise<ResourceMetadata | undefined> {
  const during = 'to the question where to authorize'
  const response = await fetch(url, {
    headers: { accept: 'application/json' },
    signal: AbortSignal.timeout(REQUEST_DEADLINE_MS),
  })
  if (response.status !== 200) {
    await response.body?.cancel()
    if (isTransientStatus(response.status)) throw failureOf(connection, { kind: 'transient' }, during)
    return undefined
  }
  const parsed = schema.safeParse(await readJson(response))
  if (!parsed.success) throw failureOf(connection, { kind: 'invalid' }, during)
  const resource = URL.parse(parsed.data.resource)
  const isConfigured = oauthOf(connection).resource === parsed.data.resource
  if (!resource || !(isConfigured || speaksFor.some(({ href }) => href === resource.href))) {
    throw new GatewayError(
      'upstream_invalid',
      `${connection.displayName} gave authorization metadata that belong to another resource.`,
    )
  }
  return parsed.data
}

async function readJson(response: Response): Promise<unknown> {
  try {
    return await response.json()
  } catch (error) {
    if (error instanceof GatewayError) throw error
    return undefined
  }
}
