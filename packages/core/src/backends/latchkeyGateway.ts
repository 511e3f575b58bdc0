import type { Dispatcher } from 'undici'
import { LatchkeyError } from '../errors.ts'
import { checkedBaseUrl } from '../http/checkedBaseUrl.ts'
import { createHttpClient, type Fetch } from '../http/httpClient.ts'
import { checkMs } from '../timing/checkMs.ts'
import { systemTiming, type Timing } from '../timing/timing.ts'
import { toEnsuredInstance, toUserRevocation } from '../wire/mapping.ts'
import { userRevocationSchema } from '../wire/revocationSchemas.ts'
import type { Backend } from './backend.ts'
import { clientCredentials } from './clientCredentials.ts'
import { createControlPlane } from './controlPlane.ts'
import { createManagement } from './createManagement.ts'
import { deriveCredentialKeys } from '../signing/credentialKeys.ts'
import type { GatewayManagement } from './gatewayManagement.ts'
import { requestAuthState, requestInstance } from './instances.ts'
import type { ServiceSettings } from './serviceSettings.ts'
import { notAllActive, requestSessionToken } from './sessionTokens.ts'
import { statusEventStream } from './statusEventStream.ts'
import { readErrorBody } from './translateError.ts'
import { userVerification } from './userVerification.ts'

/** Where a Latchkey gateway is, and who asks. */
export interface LatchkeyGatewayOptions {
  /** The gateway's address: https, or http on a loopback address. */
  url: string
  clientId: string
  clientSecret: string
  /** An undici dispatcher to send through. Default: an own pool, closed with the backend. */
  dispatcher?: Dispatcher | undefined
  /** Replaces the network. */
  fetch?: Fetch | undefined
  /** Milliseconds for one request, retries included. Default 10,000. */
  requestTimeoutMs?: number | undefined
  /** Seam for tests. */
  timing?: Timing | undefined
}

/** A Latchkey gateway as a backend, and what its operators do with it. */
export interface GatewayBackend extends Backend {
  readonly manage: GatewayManagement
}

const SETTINGS: ServiceSettings = {
  service: 'the control plane',
  address: 'LATCHKEY_URL (or `url`)',
  credential: 'LATCHKEY_CLIENT_ID and LATCHKEY_CLIENT_SECRET (or `clientId` and `clientSecret`)',
}

/**
 * A backend that talks to a Latchkey gateway, or to anything else that speaks the same REST API: what the gateway adds
 * to it is used where an answer has it.
 *
 * @throws {TypeError} when the URL is not one that a secret may be sent to.
 * @example
 * const latchkey = createLatchkey({ backend: latchkeyGateway({ url, clientId, clientSecret }) })
 */
export function latchkeyGateway(options: LatchkeyGatewayOptions): GatewayBackend {
  const { url, clientId, clientSecret, timing = systemTiming, requestTimeoutMs = 10_000 } = options
  checkMs('requestTimeoutMs', requestTimeoutMs)
  const base = checkedBaseUrl('the gateway URL', url)
  const http = createHttpClient(options)
  const transport = { base, http, timing, requestTimeoutMs, settings: SETTINGS }
  const controlPlane = createControlPlane(transport, clientCredentials(transport, { clientId, clientSecret }))

  return Object.freeze<GatewayBackend>({
    name: 'gateway',
    manage: createManagement(controlPlane),
    ...deriveCredentialKeys(['gateway', base], clientId, clientSecret),
    ...userVerification(controlPlane),

    async ensureInstance(input, callOptions) {
      const wanted = { include_auth_state: true, include_session_token: true }
      return toEnsuredInstance(await requestInstance(controlPlane, input, wanted, callOptions), input.configName)
    },

    getAuthState: (instanceId, callOptions) => requestAuthState(controlPlane, instanceId, callOptions),

    async createSessionToken(input, { signal } = {}) {
      const { id, userIdentifier } = input.instance
      try {
        return await requestSessionToken(controlPlane, input, signal, (_status, body) =>
          isPreconditionFailure(body) ? notAllActive([], userIdentifier) : undefined,
        )
      } catch (error) {
        if (!(error instanceof LatchkeyError) || error.code !== 'authorization_required') throw error
        const states = await requestAuthState(controlPlane, id, { signal, includeAuthLinks: true }).catch(() => [])
        throw notAllActive(states, userIdentifier)
      }
    },

    async revokeUser({ userIdentifier }, { signal } = {}) {
      const revocation = await controlPlane.request({
        method: 'POST',
        path: '/api/v1/users:revoke',
        body: { identifier: userIdentifier },
        schema: userRevocationSchema,
        doing: `revoking user ${JSON.stringify(userIdentifier)}`,
        idempotent: true,
        signal,
      })
      return toUserRevocation(revocation)
    },

    statusEvents: (instanceId, eventOptions) => statusEventStream(controlPlane, instanceId, eventOptions),
    close: () => http.close(),
  })
}

/** `FAILED_PRECONDITION` (9 in gRPC): a connection of the config has no active account. */
function isPreconditionFailure(body: string): boolean {
  const code = readErrorBody(body)?.code
  return code === 'FAILED_PRECONDITION' || code === '9'
}
