import { LRUCache } from 'lru-cache'
import type * as oauth from 'oauth4webapi'
import type { Connection } from '../domain.ts'
import type { Clock } from '../services.ts'
import { readChallenge } from './challenge.ts'
import type { OAuthContext } from './context.ts'
import { fetchResourceMetadata } from './resourceMetadata.ts'
import { fetchServerMetadata } from './serverMetadata.ts'

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
  const server: Discovery['server'] = (connection, issuer) =>
    servers(issuer, () => fetchServerMetadata(context, connection, issuer))
  return {
    server,
    discover: (connection) =>
      discovered(JSON.stringify([connection.id, connection.mcpServerUrl]), async () => {
        const challenge = await readChallenge(context, connection)
        const metadata = await fetchResourceMetadata(context, connection, challenge.metadataUrl)
        return {
          resource: metadata.resource,
          server: await server(connection, metadata.authorization_servers[0] ?? ''),
          challengedScope: challenge.scope,
          scopesSupported: metadata.scopes_supported,
        }
      }),
  }
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
