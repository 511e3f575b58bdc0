import type { Dispatcher } from 'undici'
import { LatchkeyError } from '../../errors.ts'
import { checkedBaseUrl } from '../../http/checkedBaseUrl.ts'
import { createHttpClient, type Fetch } from '../../http/httpClient.ts'
import { deriveCredentialKeys } from '../../signing/credentialKeys.ts'
import { createInstanceIds } from '../../signing/instanceIds.ts'
import { checkMs } from '../../timing/checkMs.ts'
import { systemTiming, type Timing } from '../../timing/timing.ts'
import type { Backend } from '../backend.ts'
import { createControlPlane } from '../controlPlane.ts'
import { PrivateInstance } from '../privateInstance.ts'
import type { ServiceSettings } from '../serviceSettings.ts'
import { createComposioApi } from './composioApi.ts'
import { createServers } from './servers.ts'
import { toConnectionState } from './toConnectionState.ts'

/** Which Composio project. */
export interface ComposioOptions {
  /** The project's API key. Default: `COMPOSIO_API_KEY`. */
  apiKey?: string | undefined
  /** Default: `https://backend.composio.dev`. */
  baseUrl?: string | undefined
  /** An undici dispatcher to send through. Default: an own pool, closed with the backend. */
  dispatcher?: Dispatcher | undefined
  /** Replaces the network. */
  fetch?: Fetch | undefined
  /** Milliseconds for one request, retries included. Default 10,000. */
  requestTimeoutMs?: number | undefined
  /** Seam for tests. */
  timing?: Timing | undefined
  /** Where the default is read. Default: `process.env`. */
  env?: Readonly<Record<string, string | undefined>> | undefined
}

const SETTINGS: ServiceSettings = {
  service: 'Composio',
  address: '`baseUrl`',
  credential: 'COMPOSIO_API_KEY (or `apiKey`)',
}

/**
 * Composio as a backend, written against its REST API v3.1: an MCP config is one of its MCP servers, a connection one of
 * its auth configs. It has no event stream, no session tokens and no user verification; the API key of the project goes
 * to the MCP endpoint in a header, so it must never be given to a client that is not the app's own.
 *
 * @throws {TypeError} when the API key is missing, or the address is not one that it may be sent to.
 * @see https://docs.composio.dev/reference/api-reference/mcp
 * @example
 * const latchkey = createLatchkey({ backend: composio(), config: 'email-agent' })
 */
export function composio(options: ComposioOptions = {}): Backend {
  const { timing = systemTiming, requestTimeoutMs = 10_000, baseUrl = 'https://backend.composio.dev' } = options
  checkMs('requestTimeoutMs', requestTimeoutMs)
  const apiKey = options.apiKey ?? (options.env ?? process.env)['COMPOSIO_API_KEY']
  if (!apiKey)
    throw new TypeError('The Composio backend needs `apiKey`: pass it to composio({ apiKey }) or set COMPOSIO_API_KEY')
  const base = checkedBaseUrl('the Composio URL', baseUrl)
  const http = createHttpClient(options)
  const headers = async () => ({ 'x-api-key': apiKey })
  const transport = { base, http, timing, requestTimeoutMs, settings: SETTINGS }
  const controlPlane = createControlPlane(transport, { headers, headersAfterRefusal: async () => undefined })
  const api = createComposioApi(controlPlane)
  const servers = createServers(controlPlane, timing)
  const keys = deriveCredentialKeys(['composio', base], '', apiKey)
  const ids = createInstanceIds(keys.sign)

  return Object.freeze<Backend>({
    name: 'Composio backend',
    ...keys,

    async ensureInstance({ configName, userIdentifier }, { signal } = {}) {
      refuseComma(userIdentifier)
      const { id: configId } = await servers.byName(configName, signal)
      const url = await api.urlOf(configId, userIdentifier, signal)
      if (new URL(url).origin !== new URL(base).origin) throw elsewhere(userIdentifier)
      const id = ids.write({ configId, userIdentifier })
      const instance = { id, userIdentifier, configName, configId, url, headers, mcpServerUrl: undefined }
      return { instance: new PrivateInstance(instance) }
    },

    async getAuthState(instanceId, { signal, includeAuthLinks = false } = {}) {
      const { configId, userIdentifier } = ids.read(instanceId)
      const { connections } = await servers.byId(configId, signal)
      const accounts = await api.accountsOf(userIdentifier, connections, signal)
      const states = connections.map(async (connection) => {
        const state = toConnectionState(connection, accounts)
        if (!includeAuthLinks || state.isActive) return state
        return toConnectionState(connection, accounts, await api.link(userIdentifier, connection, signal))
      })
      return await Promise.all(states)
    },

    close: () => http.close(),
  })
}

/** Lists are separated by commas there: one user's question would be answered with what others have. */
function refuseComma(userIdentifier: string): void {
  if (!userIdentifier.includes(',')) return
  throw new LatchkeyError(
    'invalid_user_identifier',
    `the user identifier ${JSON.stringify(userIdentifier)} has a comma, and Composio would take it for several users`,
  )
}

function elsewhere(userIdentifier: string): LatchkeyError {
  return new LatchkeyError(
    'invalid_response',
    `Composio gave an MCP URL for user ${JSON.stringify(userIdentifier)} that is not its own, so the API key is not sent to it`,
  )
}
