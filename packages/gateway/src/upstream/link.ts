import type { Connection } from '../domain.ts'
import type { Clock, GuardedAnswer, GuardedFetch } from '../services.ts'
import { capabilitiesOf, type CapabilityCode } from './clientCapabilities.ts'
import { invalidUpstream, unavailable } from './failures.ts'
import { post, type Outgoing, type PostLimits, type PostTarget } from './post.ts'
import {
  CLIENT_CAPABILITIES_META,
  CLIENT_INFO_META,
  HEADER_MISMATCH,
  isObject,
  LEGACY_VERSION,
  LEGACY_VERSIONS,
  MISSING_CLIENT_CAPABILITY,
  MODERN_VERSION,
  UNSUPPORTED_VERSION,
  VERSION_META,
} from './protocol.ts'
import { readAnswer, type Answer } from './readAnswer.ts'
import { plainAnswer } from './upstreamAnswer.ts'

/** How to speak to one account's upstream. */
export type Link = ModernLink | LegacyLink

interface ModernLink extends Offers {
  readonly era: 'modern'
  readonly foundAt: number
}

/** What a server says of itself, as far as it decides how it is spoken to. */
interface Offers {
  /** Whether it tells of changes of a resource (`resources.subscribe`). */
  readonly subscribes: boolean
  /** Whether it can be told how much to log (`logging`). */
  readonly logs: boolean
}

export interface LegacyLink extends Offers {
  readonly era: 'legacy'
  readonly foundAt: number
  readonly version: string
  readonly sessionId: string | undefined
  /** The credential that the session was made with: a session never outlives it. */
  readonly generation: number
  /** Ids that are unique in the session, whatever the clients that share it choose. */
  nextId(): number
}

export interface ClientInfo {
  readonly name: string
  readonly version: string
}

export interface LinkDeps {
  readonly fetch: GuardedFetch
  readonly clock: Clock
  readonly clientInfo: ClientInfo
}

const PROBE_ID = 'latchkey-discover'
const MODERN_ONLY_ERRORS: ReadonlySet<unknown> = new Set([
  HEADER_MISMATCH,
  MISSING_CLIENT_CAPABILITY,
  UNSUPPORTED_VERSION,
])

/** Finds out which era the upstream speaks: a `server/discover` that is answered says the new one, else a handshake. */
export async function establishLink(
  deps: LinkDeps,
  target: PostTarget,
  capabilities: CapabilityCode,
  limits: PostLimits,
): Promise<Link> {
  const offers = await probe(deps, target, limits)
  if (offers === undefined) return handshake(deps, target, capabilities, limits)
  return { era: 'modern', foundAt: deps.clock(), ...offers }
}

/** Undefined where it does not speak the new era. */
async function probe(
  { fetch, clientInfo }: LinkDeps,
  target: PostTarget,
  limits: PostLimits,
): Promise<Offers | undefined> {
  const outgoing = modernMessage(PROBE_ID, 'server/discover', {}, clientInfo)
  const response = await post(fetch, target, outgoing, limits)
  if (response.status >= 500) {
    response.discard()
    throw unavailable(target.connection, `answered with status ${response.status}`)
  }
  const message = await readProbe(target.connection, response)
  const { result, error } = message ?? {}
  return saysModern(target.connection, result, error) ? offersIn(result) : undefined
}

function saysModern(connection: Connection, result: unknown, error: unknown): boolean {
  if (isObject(result)) return speaksModern(connection, result['supportedVersions'])
  if (!isObject(error) || !MODERN_ONLY_ERRORS.has(error['code'])) return false
  if (error['code'] !== UNSUPPORTED_VERSION) return true
  return speaksModern(connection, isObject(error['data']) ? error['data']['supported'] : undefined)
}

/** Of a server that does not say what it offers, everything may be asked. */
function offersIn(result: unknown): Offers {
  const capabilities = isObject(result) ? result['capabilities'] : undefined
  if (!isObject(capabilities)) return { subscribes: true, logs: true }
  const { resources, logging } = capabilities
  return { subscribes: isObject(resources) && resources['subscribe'] === true, logs: isObject(logging) }
}

/** Anything that is not an answer of the new era is what an older server may say to a method it does not know. */
async function readProbe(connection: Connection, response: GuardedAnswer): Promise<Answer['message'] | undefined> {
  try {
    return (await readAnswer(connection, plainAnswer(response), PROBE_ID)).message
  } catch {
    return undefined
  }
}

function speaksModern(connection: Connection, versions: unknown): boolean {
  if (!Array.isArray(versions)) return false
  if (versions.includes(MODERN_VERSION)) return true
  if (LEGACY_VERSIONS.some((version) => versions.includes(version))) return false
  throw invalidUpstream(connection, 'speaks no revision of MCP that the gateway knows')
}

/** The handshake of the 2025 era: `initialize`, then `notifications/initialized`. */
export async function handshake(
  { fetch, clock, clientInfo }: LinkDeps,
  target: PostTarget,
  capabilities: CapabilityCode,
  limits: PostLimits,
): Promise<LegacyLink> {
  const { connection, opened } = target
  const params = { protocolVersion: LEGACY_VERSION, capabilities: capabilitiesOf(capabilities), clientInfo }
  const body = JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'initialize', params })
  const response = await post(fetch, target, { body, headers: {} }, limits)
  if (!response.ok) {
    response.discard()
    const what = `answered with status ${response.status}`
    throw response.status >= 500 ? unavailable(connection, what) : invalidUpstream(connection, `${what} to a handshake`)
  }
  const sessionId = response.headers['mcp-session-id']?.toString()
  const { message } = await readAnswer(connection, plainAnswer(response), 0)
  const version = isObject(message['result']) ? message['result']['protocolVersion'] : undefined
  if (typeof version !== 'string' || !LEGACY_VERSIONS.includes(version)) {
    throw invalidUpstream(connection, 'did not agree on a revision of MCP')
  }
  let lastId = 0
  const nextId = (): number => (lastId += 1)
  const link: LegacyLink = {
    era: 'legacy',
    foundAt: clock(),
    version,
    sessionId,
    generation: opened.generation,
    nextId,
    ...offersIn(message['result']),
  }
  const initialized = legacyMessage(link, { jsonrpc: '2.0', method: 'notifications/initialized' })
  const accepted = await post(fetch, target, initialized, limits)
  accepted.discard()
  return link
}

export function modernHeaders(method: string): Record<string, string> {
  return { 'mcp-protocol-version': MODERN_VERSION, 'mcp-method': method }
}

export function legacyHeaders({
  version,
  sessionId,
}: Pick<LegacyLink, 'version' | 'sessionId'>): Record<string, string> {
  return { 'mcp-protocol-version': version, ...(sessionId === undefined ? {} : { 'mcp-session-id': sessionId }) }
}

/** A request of our own, of the 2026-07-28 era. */
export function modernMessage(
  id: string | number,
  method: string,
  params: Record<string, unknown>,
  clientInfo: ClientInfo,
): Outgoing {
  const meta = { [VERSION_META]: MODERN_VERSION, [CLIENT_INFO_META]: clientInfo, [CLIENT_CAPABILITIES_META]: {} }
  const body = JSON.stringify({ jsonrpc: '2.0', id, method, params: { ...params, _meta: meta } })
  return { body, headers: modernHeaders(method) }
}

/** A message of our own, of the 2025 era. */
export function legacyMessage(link: LegacyLink, message: Record<string, unknown>): Outgoing {
  return { body: JSON.stringify(message), headers: legacyHeaders(link) }
}
