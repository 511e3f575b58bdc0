import { randomUUID } from 'node:crypto'
import { LatchkeyError } from '../../errors.ts'
import { describeFailure } from '../../http/describeFailure.ts'
import { isSafeUrl } from '../../http/safeUrl.ts'
import { ConnectionState } from '../../readiness/connectionState.ts'
import { abortion } from '../../timing/abortion.ts'
import { untilAborted } from '../../timing/untilAborted.ts'
import type { Backend, McpInstance } from '../backend.ts'
import { PrivateInstance } from '../privateInstance.ts'

type HeaderRecord = Readonly<Record<string, string>>

/** One user's MCP endpoint. */
export interface StaticEndpoint {
  /** https, or http on a loopback address. Treat it as a secret if it needs no headers. */
  url: string
  /**
   * What is sent with each request to this URL, and to no other. A function is asked before each request, and once more if
   * the endpoint answers 401: keep there what it costs to make them.
   */
  headers?: HeaderRecord | (() => HeaderRecord | Promise<HeaderRecord>) | undefined
}

/** The endpoints by user identifier, or what finds them: undefined for a user who has none. */
export type StaticEndpoints = Readonly<Record<string, StaticEndpoint>> | FindEndpoint

type FindEndpoint = (userIdentifier: string) => StaticEndpoint | undefined | Promise<StaticEndpoint | undefined>

/**
 * A backend for those who have a URL for each user already. Its users are always ready, so nobody is asked to authorize
 * anything; what the MCP config is called makes no difference.
 *
 * @throws {TypeError} when an endpoint is none that a secret may be sent to.
 * @example
 * const latchkey = createLatchkey({
 *   backend: staticBackend({ user_123: { url: 'https://mcp.example/user_123', headers: { authorization: 'Bearer …' } } }),
 * })
 */
export function staticBackend(endpoints: StaticEndpoints): Backend {
  const find = typeof endpoints === 'function' ? endpoints : findIn(endpoints)

  return Object.freeze<Backend>({
    name: 'static backend',
    // Nothing tells two of them apart but that they are two.
    identity: `static ${randomUUID()}`,
    defaultConfig: 'static',

    async ensureInstance({ configName, userIdentifier }, { signal } = {}) {
      const doing = `looking for the endpoint of user ${JSON.stringify(userIdentifier)}`
      const found = await guarded(doing, signal, () => lookUp(find, userIdentifier))
      return { instance: toInstance(found, userIdentifier, configName), authState: [ALWAYS_ACTIVE] }
    },

    getAuthState: async () => [ALWAYS_ACTIVE],
    close: async () => {},
  })
}

const ALWAYS_ACTIVE = new ConnectionState({ connectionId: 'static', connectionName: 'static', status: 'ACTIVE' })

function findIn(endpoints: Readonly<Record<string, StaticEndpoint>>): FindEndpoint {
  const byUser = new Map(Object.entries(endpoints))
  for (const [userIdentifier, endpoint] of byUser) {
    const problem = problemOf(endpoint)
    if (problem) throw new TypeError(`the endpoint of user ${JSON.stringify(userIdentifier)} ${problem}`)
  }
  return (userIdentifier) => byUser.get(userIdentifier)
}

async function lookUp(find: FindEndpoint, userIdentifier: string): Promise<StaticEndpoint> {
  const endpoint = await find(userIdentifier)
  const problem = endpoint === undefined ? 'is not known' : problemOf(endpoint)
  if (endpoint !== undefined && problem === undefined) return endpoint
  throw new LatchkeyError('rejected', `the endpoint of user ${JSON.stringify(userIdentifier)} ${problem}`)
}

function toInstance({ url, headers }: StaticEndpoint, userIdentifier: string, configName: string): McpInstance {
  const doing = `getting the headers of user ${JSON.stringify(userIdentifier)}`
  const get = async () => {
    const given = typeof headers === 'function' ? await headers() : { ...headers }
    const problem = problemOfHeaders(given)
    if (problem) throw new LatchkeyError('rejected', `${doing} failed: it ${problem}`)
    return { ...given }
  }
  return new PrivateInstance({
    id: `static ${userIdentifier}`,
    userIdentifier,
    configName,
    configId: undefined,
    url,
    mcpServerUrl: undefined,
    headers: headers && ((signal) => guarded(doing, signal, get)),
  })
}

function problemOf({ url, headers }: StaticEndpoint): string | undefined {
  if (!URL.canParse(url) || !isSafeUrl(new URL(url)))
    return 'must be https (or http on a loopback address), without credentials'
  return typeof headers === 'function' ? undefined : problemOfHeaders(headers ?? {})
}

/** Found here, because whatever sends them would repeat the value in its error. */
function problemOfHeaders(headers: HeaderRecord): string | undefined {
  const wrong = Object.entries(headers).find(([name, value]) => !isHeader(name, value))
  if (!wrong) return undefined
  return /^[\w-]+$/.test(wrong[0])
    ? `has a header ${wrong[0]} that HTTP cannot carry`
    : 'has a header without a good name'
}

function isHeader(name: string, value: unknown): boolean {
  try {
    return typeof value === 'string' && Boolean(new Headers({ [name]: value }))
  } catch {
    return false
  }
}

/** What the app's own functions throw, or an abort, as a `LatchkeyError`. */
async function guarded<T>(doing: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await untilAborted(work(), signal)
  } catch (error) {
    if (signal?.aborted) throw abortion(signal, doing)
    if (error instanceof LatchkeyError) throw error
    throw new LatchkeyError('unavailable', `${doing} failed: ${describeFailure(error)}`)
  }
}
