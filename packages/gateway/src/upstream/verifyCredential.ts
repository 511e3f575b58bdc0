import { presentCredential } from '../accounts/presentCredential.ts'
import type { ConnectedAccount, Connection, Credential } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Clock, Credentials, GuardedFetch } from '../services.ts'
import type { ClientInfo } from './link.ts'
import type { Programs } from './stdio/programs.ts'
import { withPrograms } from './stdio/withPrograms.ts'
import { createUpstreams } from './upstreams.ts'

export interface VerifyCredentialDeps {
  readonly fetch: GuardedFetch
  readonly clock: Clock
  readonly clientInfo: ClientInfo
  /** For a connection whose upstream is a program, which is started for this once. */
  readonly startTrial: () => Programs
}

/** Asks the upstream for its tools with what somebody has just typed in, and remembers nothing of it. */
export function createVerifyCredential({ fetch, clock, clientInfo, startTrial }: VerifyCredentialDeps) {
  return async (connection: Connection, credential: Credential): Promise<'accepted' | 'rejected' | 'unreachable'> => {
    const programs = connection.program && startTrial()
    const way = programs === undefined ? fetch : withPrograms(fetch, programs)
    const upstreams = createUpstreams({ fetch: way, clock, clientInfo, credentials: onlyThis(credential) })
    try {
      await upstreams.list({ connection, account: nobody(connection, clock) }, 'tools')
      return 'accepted'
    } catch (error) {
      return error instanceof GatewayError && error.code === 'consent_required' ? 'rejected' : 'unreachable'
    } finally {
      void upstreams.close()
      void programs?.close()
    }
  }
}

function onlyThis(credential: Credential): Credentials {
  return {
    headersFor: async (connection) => ({ generation: 0, ...presentCredential(connection, credential) }),
    afterRefusal: async ({ displayName }) => {
      throw new GatewayError('consent_required', `${displayName} does not accept this.`)
    },
  }
}

/** Stands for the account that it is for, and is never written anywhere. Its sockets are shared with no account. */
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
