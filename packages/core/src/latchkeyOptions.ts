import type { Backend } from './backends/backend.ts'
import { latchkeyGateway } from './backends/latchkeyGateway.ts'
import { scalekit } from './backends/scalekit/scalekit.ts'
import type { Fetch } from './http/httpClient.ts'
import { checkMs } from './timing/checkMs.ts'
import { systemTiming, type Timing } from './timing/timing.ts'
import { createStartLinks, withStartLinks, type StartLinks } from './verification/startLinks.ts'

/** How to reach the control plane, and what holds for every call. Explicit options win over the environment. */
export interface LatchkeyOptions {
  /**
   * The control plane. Default: `latchkeyGateway` with the three options below; where neither these nor `LATCHKEY_URL` are
   * set but `SCALEKIT_ENVIRONMENT_URL` is, `scalekit()`. Closed by `close()`.
   */
  backend?: Backend | undefined
  /** The gateway's address: https, or http on a loopback address. Default: `LATCHKEY_URL`. */
  url?: string | undefined
  /** Default: `LATCHKEY_CLIENT_ID`. */
  clientId?: string | undefined
  /** Default: `LATCHKEY_CLIENT_SECRET`. */
  clientSecret?: string | undefined
  /** The MCP config that calls use unless they name another. Default: `LATCHKEY_CONFIG`, or the backend's only one. */
  config?: string | undefined
  /**
   * The app's own page at which a user begins to connect an account: the `start` handler of `createUserVerification`.
   * Users then see `{startUrl}?connection=mail` instead of a link of the control plane: it is not a secret and does not
   * expire. Default: `LATCHKEY_START_URL`; without it, links of the control plane.
   */
  startUrl?: string | undefined
  /** Milliseconds for a whole `ready`, `userTools` or `waitForAuth`. Default 300,000. */
  timeoutMs?: number | undefined
  /** Milliseconds for one request to the control plane, for connecting, and for listing tools. Default 10,000. */
  requestTimeoutMs?: number | undefined
  /** Milliseconds for which an endpoint may fail to list tools after its connections became ACTIVE. Default 10,000. */
  graceMs?: number | undefined
  /** Milliseconds after which an unused MCP session is closed. Default 300,000. */
  idleMs?: number | undefined
  /** Replaces the network, for the control plane and for MCP. */
  fetch?: Fetch | undefined
  /** Clock, timers and chance. Seam for tests. */
  timing?: Timing | undefined
  /** Where the defaults are read. Default: `process.env`. */
  env?: Readonly<Record<string, string | undefined>> | undefined
}

export interface ResolvedOptions {
  readonly backend: Backend
  readonly startLinks: StartLinks | undefined
  readonly config: string | undefined
  readonly timeoutMs: number
  readonly requestTimeoutMs: number
  readonly graceMs: number
  readonly idleMs: number
  readonly fetch: Fetch | undefined
  readonly timing: Timing
}

/** Fills in what is not given. @throws {TypeError} naming what is missing and the two ways to give it. */
export function resolveOptions(options: LatchkeyOptions): ResolvedOptions {
  const { env = process.env, timing = systemTiming, requestTimeoutMs = 10_000, fetch } = options
  const { timeoutMs = 300_000, graceMs = 10_000, idleMs = 300_000 } = options
  for (const [name, value] of Object.entries({ timeoutMs, requestTimeoutMs, graceMs, idleMs })) checkMs(name, value)
  const backend = options.backend ?? defaultBackend(options, { env, timing, requestTimeoutMs })
  const config = options.config ?? (env['LATCHKEY_CONFIG'] || backend.defaultConfig)
  const startUrl = options.startUrl ?? (env['LATCHKEY_START_URL'] || undefined)
  const startLinks = startUrl === undefined ? undefined : createStartLinks(startUrl)
  const shownBackend = startLinks ? withStartLinks(backend, startLinks) : backend
  return Object.freeze({
    backend: shownBackend,
    startLinks,
    config,
    timeoutMs,
    requestTimeoutMs,
    graceMs,
    idleMs,
    fetch,
    timing,
  })
}

/** What the environment is read for. Whatever is kept of it must be kept apart by all of these. */
export const ENVIRONMENT_VARIABLES = [
  'LATCHKEY_URL',
  'LATCHKEY_CLIENT_ID',
  'LATCHKEY_CLIENT_SECRET',
  'LATCHKEY_CONFIG',
  'LATCHKEY_START_URL',
  'SCALEKIT_ENVIRONMENT_URL',
  'SCALEKIT_CLIENT_ID',
  'SCALEKIT_CLIENT_SECRET',
] as const

function defaultBackend(
  options: LatchkeyOptions,
  resolved: Required<Pick<LatchkeyOptions, 'env' | 'timing' | 'requestTimeoutMs'>>,
): Backend {
  const { env, timing, requestTimeoutMs } = resolved
  const { url, clientId, clientSecret, fetch } = options
  const isGateway = Boolean(url ?? clientId ?? clientSecret ?? env['LATCHKEY_URL'])
  if (!isGateway && env['SCALEKIT_ENVIRONMENT_URL']) return scalekit({ env, fetch, timing, requestTimeoutMs })
  const required = (name: 'url' | 'clientId' | 'clientSecret', variable: string, orElse = '') => {
    const value = options[name] ?? env[variable]
    if (value) return value
    throw new TypeError(
      `Latchkey needs \`${name}\`: pass it to createLatchkey({ ${name} }) or set ${variable}${orElse}`,
    )
  }
  return latchkeyGateway({
    url: required('url', 'LATCHKEY_URL', ' (or, for Scalekit, SCALEKIT_ENVIRONMENT_URL)'),
    clientId: required('clientId', 'LATCHKEY_CLIENT_ID'),
    clientSecret: required('clientSecret', 'LATCHKEY_CLIENT_SECRET'),
    requestTimeoutMs,
    fetch,
    timing,
  })
}
