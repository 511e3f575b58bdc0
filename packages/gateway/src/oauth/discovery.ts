import { LRUCache } from 'lru-cache'
import type * as oauth from 'oauth4webapi'
import type { Connection } from '../domain.ts'
import type { Clock } from '../services.ts'
import { readChallenge } from './challenge.ts'
import { GatewayError } from '../errors.ts'
import { oauthOf, type OAuthContext } from './context.ts'
import { fetchResourceMetadata } from './resourceMetadata.ts'
import { describedIssuer, fetchServerMetadata } from './serverMetadata.ts'

/** What is known about authorizing to one upstream. */
export interface Discovered {
  readonly resource: string
  readonly server: oauth.AuthorizationServer
  readonly challengedScope: string | undefined
  readonly scopesSupported: readonly string[] | undefined
}

export interface Discovery {
  /** Asks the upstream and its authorization server. Remembered for a few minutes. */
  discover(connection: Connection): Promise<Discovered>
  /** The metadata of the server that a grant belongs to, whatever the upstream names by now. */
  server(connection: Connection, issuer: string): Promise<oauth.AuthorizationServer>
}

const KEEP_MS = 5 * 60_000
const MAX_ENTRIES = 500

export function createDiscovery(context: OAuthContext): Discovery {
  const discovered = createExpiringCache<Discovered>(context.clock)
  const servers = createExpiringCache<oauth.AuthorizationServer>(context.clock)
  // What one connection's configuration says of a server holds for no other connection.
  const server: Discovery['server'] = (connection, issuer) =>
    servers(JSON.stringify([issuer, describedIn(connection)]), () => fetchServerMetadata(context, connection, issuer))
  return {
    server,
    discover: (connection) =>
      discovered(JSON.stringify([connection.id, connection.mcpServerUrl, describedIn(connection)]), async () => {
        const described = describedIssuer(oauthOf(connection))
        if (described !== undefined) {
          const resource = oauthOf(connection).resource ?? connection.mcpServerUrl
          const found = await server(connection, described)
          return { resource, server: found, challengedScope: undefined, scopesSupported: undefined }
        }
        const challenge = await readChallenge(context, connection)
        const metadata = await fetchResourceMetadata(context, connection, challenge.metadataUrl)
        return {
          resource: oauthOf(connection).resource ?? metadata.resource,
          server: await server(connection, issuerOf(connection, metadata.authorization_servers)),
          challengedScope: challenge.scope,
          scopesSupported: metadata.scopes_supported,
        }
      }),
  }
}

/** Of several the first, unless the configuration names one of them. */
function issuerOf(connection: Connection, issuers: readonly string[]): string {
  const { issuer } = oauthOf(connection)
  if (issuer === undefined) return issuers[0] ?? ''
  if (issuers.includes(issuer)) return issuer
  throw new GatewayError(
    'upstream_invalid',
    `${connection.displayName} does not name the authorization server that the configuration says.`,
  )
}

function describedIn(connection: Connection) {
  const { issuer, resource, authorizationEndpoint, tokenEndpoint, revocationEndpoint, allowMissingPkceMetadata } =
    oauthOf(connection)
  return [issuer, resource, authorizationEndpoint, tokenEndpoint, revocationEndpoint, allowMissingPkceMetadata]
}

/** Answers are kept for a while, concurrent questions are asked once, and failures are not remembered. */
function createExpiringCache<T>(clock: Clock): (key: string, load: () => Promise<T>) => Promise<T> {
  const entries = new LRUCache<string, { promise: Promise<T>; expiresAt: number }>({ max: MAX_ENTRIES })
  return (key, load) => {
    const known = entries.get(key)
    if (known && known.expiresAt > clock()) return known.promise
    const entry = { promise: load(), expiresAt: clock() + KEEP_MS }
    entries.set(key, entry)
    entry.promise.catch(() => {
      if (entries.peek(key) === entry) entries.delete(key)
    })
    return entry.promise
  }
}
