import { credentialHeaders } from '../accounts/credentialHeaders.ts'
import type { ConnectedAccount, Connection } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Clock, Credentials, GuardedFetch } from '../services.ts'
import type { ClientInfo } from './link.ts'
import { createUpstreams } from './upstreams.ts'

export interface VerifyApiKeyDeps {
  readonly fetch: GuardedFetch
  readonly clock: Clock
  readonly clientInfo: ClientInfo
}

/** Asks the upstream for its tools with a key that somebody has just typed in, and remembers nothing of it. */
export function createVerifyApiKey({ fetch, clock, clientInfo }: VerifyApiKeyDeps) {
  return async (connection: Connection, key: string): Promise<'accepted' | 'rejected' | 'unreachable'> => {
    const upstreams = createUpstreams({ fetch, clock, clientInfo, credentials: onlyThisKey(key) })
    try {
      await upstreams.list({ connection, account: nobody(connection, clock) }, 'tools')
      return 'accepted'
    } catch (error) {
      return error instanceof GatewayError && error.code === 'consent_required' ? 'rejected' : 'unreachable'
    } finally {
      upstreams.close()
    }
  }
}

function onlyThisKey(key: string): Credentials {
  return {
    headersFor: async (connection) => ({
      generation: 0,
      headers: credentialHeaders(connection, { type: 'api_key', key, origin: new URL(connection.mcpServerUrl).origin }),
    }),
    afterRefusal: async ({ displayName }) => {
      throw new GatewayError('consent_required', `${displayName} does not accept this key.`)
    },
  }
}

/** Stands for the account that the key is for, and is never written anywhere. Its sockets are shared with no account. */
function nobody({ id }: Connection, clock: Clock): ConnectedAccount {
  const now = new Date(clock())
  return {
    id: `verify_${crypto.randomUUID()}`,
    connectionId: id,
    userIdentifier: '',
    status: 'PENDING_AUTH',
    generation: 0,
    createdAt: now,
    updatedAt: now,
  }
}
