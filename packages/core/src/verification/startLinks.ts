import type { Backend } from '../backends/backend.ts'
import { LatchkeyError } from '../errors.ts'
import { isSafeUrl } from '../http/safeUrl.ts'
import { ConnectionState } from '../readiness/connectionState.ts'

/** What users are shown instead of the control plane's links: the app's own page, which mints one when it is opened. */
export interface StartLinks {
  /** The same connections, each that is not ACTIVE with the app's link. */
  of(states: readonly ConnectionState[]): readonly ConnectionState[]
  /** The same error, with the app's links. */
  ofError(error: unknown): unknown
}

/** @throws {TypeError} when it is not a URL that a person may be sent to. */
export function createStartLinks(startUrl: string): StartLinks {
  const start = URL.canParse(startUrl) ? new URL(startUrl) : undefined
  if (start === undefined || !isSafeUrl(start) || start.hash !== '')
    throw new TypeError('`startUrl` must be https (or http on a loopback address), without credentials and fragment')

  const links: StartLinks = {
    of: (states) => states.map((state) => (state.isActive ? state : linked(state, start))),
    ofError(error) {
      if (!(error instanceof LatchkeyError) || error.connections.length === 0) return error
      const { code, message, cause } = error
      return new LatchkeyError(code, message, { cause, connections: links.of(error.connections) })
    },
  }
  return links
}

/** The same control plane; but where links are asked for, none is minted and the app's are given. */
export function withStartLinks(backend: Backend, links: StartLinks): Backend {
  const mint = backend.createSessionToken?.bind(backend)
  return Object.freeze<Backend>({
    name: backend.name,
    identity: backend.identity,
    defaultConfig: backend.defaultConfig,
    ensureInstance: (input, options) => backend.ensureInstance(input, options),
    async getAuthState(instanceId, { includeAuthLinks = false, ...options } = {}) {
      const states = await backend.getAuthState(instanceId, options)
      return includeAuthLinks ? links.of(states) : states
    },
    ...(mint && {
      createSessionToken: (input, options) =>
        mint(input, options).catch((error: unknown) => Promise.reject(links.ofError(error))),
    }),
    ...(backend.statusEvents && { statusEvents: backend.statusEvents.bind(backend) }),
    ...(backend.createMagicLink && { createMagicLink: backend.createMagicLink.bind(backend) }),
    ...(backend.verifyUser && { verifyUser: backend.verifyUser.bind(backend) }),
    ...(backend.revokeUser && { revokeUser: backend.revokeUser.bind(backend) }),
    ...(backend.sign && { sign: backend.sign.bind(backend) }),
    close: () => backend.close(),
  })
}

/** It is no secret and never expires: it does nothing but lead a signed-in user to a fresh link. */
function linked(state: ConnectionState, start: URL): ConnectionState {
  const link = new URL(start)
  link.searchParams.set('connection', state.connectionName)
  const { connectionId, connectionName, provider, connectedAccountId, status } = state
  return new ConnectionState({
    connectionId,
    connectionName,
    provider,
    connectedAccountId,
    status,
    authenticationLink: link.href,
  })
}
