import { INVALID_PARAMS, isObject } from '../upstream/protocol.ts'
import type { MirroredArgument } from '../upstream/listPage.ts'
import type { Upstreams } from '../upstream/upstreams.ts'
import { findItem, isWhole, type AllowedConnection, type NamedKind } from './allowedItems.ts'
import type { Principal } from './authenticate.ts'
import type { ParamEdit } from './callTranslation.ts'
import type { InboundRequest } from './inbound.ts'
import type { Quarantine } from './quarantine.ts'
import type { RpcError } from './replies.ts'
import { upstreamUri } from './resourceUris.ts'

/** Where a request goes, and what it says there. */
export interface Route {
  readonly from: AllowedConnection
  readonly edits: readonly ParamEdit[]
  /** What `Mcp-Name` says towards the upstream; undefined for a method that has none. */
  readonly nameHeader: string | undefined
  /** What to call it when something has to be said about it. */
  readonly what: string
}

export type Found = Route | { readonly refusal: RpcError }

export interface FindRouteDeps {
  readonly upstreams: Upstreams
  readonly quarantine: Quarantine
  readonly principal: Principal
  readonly connections: readonly AllowedConnection[]
}

type Find = (deps: FindRouteDeps, call: InboundRequest) => Found | Promise<Found>

/** The requests that go to one upstream, and how each of them says to which. */
const FINDERS: ReadonlyMap<string, Find> = new Map<string, Find>([
  ['tools/call', (deps, call) => byName(deps, 'tools', call.params['name'], ['name'])],
  ['prompts/get', (deps, call) => byName(deps, 'prompts', call.params['name'], ['name'])],
  ['resources/read', (deps, call) => byUri(deps, call, call.params['uri'], ['uri'])],
  ['resources/subscribe', (deps, call) => byUri(deps, call, call.params['uri'], ['uri'])],
  ['resources/unsubscribe', (deps, call) => byUri(deps, call, call.params['uri'], ['uri'])],
  ['completion/complete', byReference],
])

/** What the client sends in `Mcp-Name` (2026-07-28, Streamable HTTP, "Standard Headers"). */
const NAMED_METHODS: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read'])
/** Methods that only the 2025 revisions have. */
const LEGACY_METHODS: ReadonlySet<string> = new Set(['resources/subscribe', 'resources/unsubscribe'])

export function isRouted({ method, era }: InboundRequest): boolean {
  return FINDERS.has(method) && !(era === 'modern' && LEGACY_METHODS.has(method))
}

/** Finds whose request this is. Whether it is allowed is decided here and now, whatever was listed before (T50). */
export async function findRoute(deps: FindRouteDeps, call: InboundRequest): Promise<Found> {
  const found = await FINDERS.get(call.method)?.(deps, call)
  if (found === undefined) throw new TypeError(`${call.method} is not routed`)
  return 'refusal' in found || NAMED_METHODS.has(call.method) ? found : { ...found, nameHeader: undefined }
}

/** A client of the 2025 era does not know which arguments are repeated in headers; the upstream's list does. */
export async function mirroredOf(upstreams: Upstreams, route: Route): Promise<readonly MirroredArgument[]> {
  try {
    const tools = upstreams.known(route.from, 'tools') ?? (await upstreams.list(route.from, 'tools'))
    return tools.find(({ name }) => name === route.nameHeader)?.mirrored ?? []
  } catch {
    return []
  }
}

/** Longer names are nobody's; the answer need not carry them. */
const MAX_ECHO = 256

async function byName(
  { upstreams, quarantine, principal, connections }: FindRouteDeps,
  kind: NamedKind,
  name: unknown,
  path: ParamEdit['path'],
): Promise<Found> {
  const noun = kind === 'tools' ? 'tool' : 'prompt'
  if (typeof name !== 'string') return refuse(`Invalid params: the name of the ${noun} is missing`)
  const item = await findItem(kind, connections, principal, name, { upstreams, quarantine })
  if (item === undefined) return refuse(`Unknown ${noun}: ${name.slice(0, MAX_ECHO)}`)
  const { from, upstreamName } = item
  return { from, edits: [{ path, value: upstreamName }], nameHeader: upstreamName, what: `the ${noun} "${name}"` }
}

function byUri(
  { principal, connections }: FindRouteDeps,
  { era }: Pick<InboundRequest, 'era'>,
  uri: unknown,
  path: ParamEdit['path'],
): Found {
  if (typeof uri !== 'string') return refuse('Invalid params: the URI is missing')
  for (const from of connections) {
    const value = isWhole(from, principal) ? upstreamUri(from.naming, from.connection.name, uri) : undefined
    if (value !== undefined) return { from, edits: [{ path, value }], nameHeader: value, what: 'the resource' }
  }
  const code = era === 'modern' ? INVALID_PARAMS : LEGACY_RESOURCE_NOT_FOUND
  return { refusal: { code, message: 'Resource not found', data: { uri: uri.slice(0, MAX_ECHO) } } }
}

const LEGACY_RESOURCE_NOT_FOUND = -32_002

function byReference(deps: FindRouteDeps, call: InboundRequest): Found | Promise<Found> {
  const { ref } = call.params
  if (isObject(ref) && ref['type'] === 'ref/prompt') return byName(deps, 'prompts', ref['name'], ['ref', 'name'])
  if (isObject(ref) && ref['type'] === 'ref/resource') return byUri(deps, call, ref['uri'], ['ref', 'uri'])
  return refuse('Invalid params: ref must be a prompt or a resource')
}

function refuse(message: string): Found {
  return { refusal: { code: INVALID_PARAMS, message } }
}
