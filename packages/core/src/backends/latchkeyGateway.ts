import { createHmac, hkdfSync, randomBytes } from 'node:crypto'
import type { Dispatcher } from 'undici'
import { LatchkeyError } from '../errors.ts'
import { createHttpClient, type Fetch } from '../http/httpClient.ts'
import { isSafeUrl } from '../http/safeUrl.ts'
import type { ConnectionState } from '../readiness/connectionState.ts'
import { checkMs } from '../timing/checkMs.ts'
import { systemTiming, type Timing } from '../timing/timing.ts'
import { toConnectionState, toEnsuredInstance, toMagicLink, toSessionToken, toUserRevocation } from '../wire/mapping.ts'
import { userRevocationSchema } from '../wire/revocationSchemas.ts'
import { authStateSchema, configListSchema, ensuredInstanceSchema, sessionTokenSchema } from '../wire/schemas.ts'
import { magicLinkSchema, verifiedUserSchema } from '../wire/verificationSchemas.ts'
import type { Backend } from './backend.ts'
import { createControlPlane, type ControlPlane } from './controlPlane.ts'
import { createManagement } from './createManagement.ts'
import type { GatewayManagement } from './gatewayManagement.ts'
import { statusEventStream } from './statusEventStream.ts'
import { readErrorBody } from './translateError.ts'

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

/**
 * A backend that talks to a Latchkey gateway, or to anything else that speaks the same REST API: what the gateway adds
 * to it is used where an answer has it.
 *
 * @throws {TypeError} when the URL is not one that a secret may be sent to.
 * @example
 * const latchkey = createLatchkey({ backend: latchkeyGateway({ url, clientId, clientSecret }) })
 */
export function latchkeyGateway(options: LatchkeyGatewayOptions): GatewayBackend {
  const { url, clientId, timing = systemTiming, requestTimeoutMs = 10_000 } = options
  checkMs('requestTimeoutMs', requestTimeoutMs)
  const base = checkedBase(url)
  const http = createHttpClient(options)
  const controlPlane = createControlPlane({
    url: base,
    clientId,
    clientSecret: options.clientSecret,
    http,
    timing,
    requestTimeoutMs,
  })
  // Derived for this one purpose (RFC 5869), so that what is signed says nothing that helps elsewhere.
  const signingKey = new Uint8Array(hkdfSync('sha256', options.clientSecret, clientId, 'latchkey pending handle', 32))
  const secretDigest = createHmac('sha256', identityKey).update(options.clientSecret).digest('base64url')

  const getAuthState: Backend['getAuthState'] = async (instanceId, { signal, includeAuthLinks = false } = {}) => {
    const answer = await controlPlane.request({
      method: 'POST',
      path: `/api/v1/mcp/instances/${encodeURIComponent(instanceId)}:get_auth_state`,
      body: { include_auth_links: includeAuthLinks },
      schema: authStateSchema,
      doing: `reading the auth state of instance ${instanceId}`,
      // With links it mints them, so it is not sent again.
      idempotent: !includeAuthLinks,
      signal,
    })
    return answer.connections.map(toConnectionState)
  }

  return Object.freeze<GatewayBackend>({
    name: 'gateway',
    manage: createManagement(controlPlane),
    identity: JSON.stringify(['gateway', base, clientId, secretDigest]),

    async ensureInstance({ configName, userIdentifier }, { signal } = {}) {
      try {
        return toEnsuredInstance(
          await controlPlane.request({
            method: 'POST',
            path: '/api/v1/mcp/instances',
            body: {
              config_name: configName,
              user_identifier: userIdentifier,
              include_auth_state: true,
              include_session_token: true,
            },
            schema: ensuredInstanceSchema,
            doing: `ensuring the MCP instance of user ${JSON.stringify(userIdentifier)}`,
            idempotent: true,
            signal,
            refused: (status, body) => (status === 404 && readErrorBody(body) ? new UnknownConfig() : undefined),
          }),
          configName,
        )
      } catch (error) {
        throw error instanceof UnknownConfig ? await nameKnownConfigs(controlPlane, configName, signal) : error
      }
    },

    getAuthState,

    async createSessionToken({ instance, expirySeconds, tools, allowPartial }, { signal } = {}) {
      if (instance.configId === undefined)
        throw new LatchkeyError(
          'invalid_response',
          `instance ${instance.id} names no config to get a session token for`,
        )
      try {
        return toSessionToken(
          await controlPlane.request({
            method: 'POST',
            path: `/api/v1/mcp/configs/${encodeURIComponent(instance.configId)}/tokens`,
            body: {
              identifier: instance.userIdentifier,
              ...(expirySeconds === undefined ? {} : { expiry: `${expirySeconds}s` }),
              ...(tools === undefined ? {} : { tools }),
              ...(allowPartial === true ? { allow_partial: true } : {}),
            },
            schema: sessionTokenSchema,
            doing: `getting a session token for user ${JSON.stringify(instance.userIdentifier)}`,
            idempotent: true,
            signal,
            refused: (_status, body) => (isPreconditionFailure(body) ? new NotAllActive() : undefined),
          }),
        )
      } catch (error) {
        if (!(error instanceof NotAllActive)) throw error
        const states = await getAuthState(instance.id, { signal, includeAuthLinks: true }).catch(() => [])
        throw notAllActive(states, instance.userIdentifier)
      }
    },

    async createMagicLink({ userIdentifier, connectionName, state, userVerifyUrl }, { signal } = {}) {
      const link = await controlPlane.request({
        method: 'POST',
        path: '/api/v1/connected_accounts/magic_link',
        body: {
          connector: connectionName,
          identifier: userIdentifier,
          ...(state === undefined ? {} : { state }),
          ...(userVerifyUrl === undefined ? {} : { user_verify_url: userVerifyUrl }),
        },
        schema: magicLinkSchema,
        doing: `making a link for user ${JSON.stringify(userIdentifier)} and connection ${JSON.stringify(connectionName)}`,
        idempotent: false,
        signal,
      })
      return toMagicLink(link)
    },

    async verifyUser({ userIdentifier, authRequestId }, { signal } = {}) {
      await controlPlane.request({
        method: 'POST',
        path: '/api/v1/connected_accounts/user/verify',
        body: { auth_request_id: authRequestId, identifier: userIdentifier },
        schema: verifiedUserSchema,
        doing: `verifying user ${JSON.stringify(userIdentifier)}`,
        // It works once: a second try after a lost answer would be refused.
        idempotent: false,
        signal,
      })
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

    sign: (text) => createHmac('sha256', signingKey).update(text).digest('base64url'),
    statusEvents: (instanceId, eventOptions) => statusEventStream(controlPlane, instanceId, eventOptions),
    close: () => http.close(),
  })
}

/** Of this process only, so that an identity tells nothing about the secret in it. */
const identityKey = randomBytes(32)

function checkedBase(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (!parsed || !isSafeUrl(parsed) || parsed.search || parsed.hash)
    throw new TypeError(
      'the gateway URL must be https (or http on a loopback address), without credentials, query or fragment: a secret is sent to it',
    )
  return parsed.href.replace(/\/+$/, '')
}

class UnknownConfig extends LatchkeyError {
  constructor() {
    super('unknown_config', 'unknown config')
  }
}

/** One more request, on the way to an error only, so that the message helps with whatever backend. */
async function nameKnownConfigs(
  controlPlane: ControlPlane,
  configName: string,
  signal: AbortSignal | undefined,
): Promise<LatchkeyError> {
  try {
    const { configs } = await controlPlane.request({
      method: 'GET',
      path: '/api/v1/mcp/configs?page_size=30',
      schema: configListSchema,
      doing: 'listing the MCP configs',
      idempotent: true,
      signal,
    })
    const known = configs.map((config) => config.name).join(', ') || 'there are none yet'
    return new LatchkeyError('unknown_config', `no MCP config is named ${JSON.stringify(configName)}; known: ${known}`)
  } catch {
    return new LatchkeyError('unknown_config', `no MCP config is named ${JSON.stringify(configName)}`)
  }
}

class NotAllActive extends LatchkeyError {
  constructor() {
    super('authorization_required', 'not every connection is ACTIVE')
  }
}

/** `FAILED_PRECONDITION` (9 in gRPC): a connection of the config has no active account. */
function isPreconditionFailure(body: string): boolean {
  const code = readErrorBody(body)?.code
  return code === 'FAILED_PRECONDITION' || code === '9'
}

function notAllActive(states: readonly ConnectionState[], userIdentifier: string): LatchkeyError {
  return new LatchkeyError(
    'authorization_required',
    `user ${JSON.stringify(userIdentifier)} has connections to authorize before a session token can be had`,
    { connections: states.filter((state) => !state.isActive) },
  )
}
