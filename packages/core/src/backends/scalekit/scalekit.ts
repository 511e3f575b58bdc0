import type { Dispatcher } from 'undici'
import { checkedBaseUrl } from '../../http/checkedBaseUrl.ts'
import { createHttpClient, type Fetch } from '../../http/httpClient.ts'
import { deriveCredentialKeys } from '../../signing/credentialKeys.ts'
import { checkMs } from '../../timing/checkMs.ts'
import { systemTiming, type Timing } from '../../timing/timing.ts'
import type { Backend } from '../backend.ts'
import { clientCredentials } from '../clientCredentials.ts'
import { createControlPlane } from '../controlPlane.ts'
import type { ServiceSettings } from '../serviceSettings.ts'
import { userVerification } from '../userVerification.ts'
import { instanceUrls } from './instanceUrls.ts'
import { revokeAccounts } from './revokeAccounts.ts'
import { virtualServers } from './virtualServers.ts'

/** Which Scalekit environment, and who asks. */
export interface ScalekitOptions {
  /** The environment's address, such as `https://acme.scalekit.com`. Default: `SCALEKIT_ENVIRONMENT_URL`. */
  environmentUrl?: string | undefined
  /** Default: `SCALEKIT_CLIENT_ID`. */
  clientId?: string | undefined
  /** Default: `SCALEKIT_CLIENT_SECRET`. */
  clientSecret?: string | undefined
  /**
   * What an agent is let in with. `session-token` (the default): the URL of the config's virtual MCP server with a token
   * for the user, which ends within the hour and is renewed by itself. `url`: the older MCP instances, whose URL is a
   * secret of the user and lasts.
   */
  credential?: 'session-token' | 'url' | undefined
  /** An undici dispatcher to send through. Default: an own pool, closed with the backend. */
  dispatcher?: Dispatcher | undefined
  /** Replaces the network. */
  fetch?: Fetch | undefined
  /** Milliseconds for one request, retries included. Default 10,000. */
  requestTimeoutMs?: number | undefined
  /** Seam for tests. */
  timing?: Timing | undefined
  /** Where the defaults are read. Default: `process.env`. */
  env?: Readonly<Record<string, string | undefined>> | undefined
}

const SETTINGS: ServiceSettings = {
  service: 'Scalekit',
  address: 'SCALEKIT_ENVIRONMENT_URL (or `environmentUrl`)',
  credential: 'SCALEKIT_CLIENT_ID and SCALEKIT_CLIENT_SECRET (or `clientId` and `clientSecret`)',
}

/**
 * Scalekit's AgentKit as a backend. It has no event stream, so waits poll; it narrows no tokens, so `tools` is refused; and
 * it gives session tokens only to users of whom every connection is ACTIVE.
 *
 * @throws {TypeError} when an option is missing or wrong; the message names it and the two ways to give it.
 * @see https://docs.scalekit.com/agentkit/apis/
 * @example
 * const latchkey = createLatchkey({ backend: scalekit(), config: 'email-agent' })
 */
export function scalekit(options: ScalekitOptions = {}): Backend {
  const { credential = 'session-token', timing = systemTiming, requestTimeoutMs = 10_000 } = options
  if (credential !== 'session-token' && credential !== 'url')
    throw new TypeError("`credential` must be 'session-token' or 'url'")
  checkMs('requestTimeoutMs', requestTimeoutMs)
  const base = checkedBaseUrl('the Scalekit environment URL', required(options, 'environmentUrl'))
  const clientId = required(options, 'clientId')
  const clientSecret = required(options, 'clientSecret')
  const http = createHttpClient(options)
  const transport = { base, http, timing, requestTimeoutMs, settings: SETTINGS }
  const controlPlane = createControlPlane(transport, clientCredentials(transport, { clientId, clientSecret }))
  const keys = deriveCredentialKeys(['scalekit', base, credential], clientId, clientSecret)
  const hasInstances = credential === 'url'

  return Object.freeze<Backend>({
    name: 'Scalekit backend',
    ...keys,
    ...(hasInstances ? instanceUrls(controlPlane) : virtualServers(controlPlane, { timing, sign: keys.sign })),
    ...userVerification(controlPlane),
    revokeUser: ({ userIdentifier }, { signal } = {}) =>
      revokeAccounts(controlPlane, { userIdentifier, hasInstances, now: timing.now(), signal }),
    close: () => http.close(),
  })
}

const VARIABLES = {
  environmentUrl: 'SCALEKIT_ENVIRONMENT_URL',
  clientId: 'SCALEKIT_CLIENT_ID',
  clientSecret: 'SCALEKIT_CLIENT_SECRET',
} as const

function required(options: ScalekitOptions, name: keyof typeof VARIABLES): string {
  const variable = VARIABLES[name]
  const value = options[name] ?? (options.env ?? process.env)[variable]
  if (value) return value
  throw new TypeError(`The Scalekit backend needs \`${name}\`: pass it to scalekit({ ${name} }) or set ${variable}`)
}
