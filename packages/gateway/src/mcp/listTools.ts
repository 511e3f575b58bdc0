import { UNAVAILABLE_META_KEY } from '@latchkey/core/wire'
import { GatewayError } from '../errors.ts'
import type { Accounts } from '../services.ts'
import { SERVER_INFO_META, type Era } from '../upstream/protocol.ts'
import type { UpstreamTool } from '../upstream/toolList.ts'
import type { Upstreams } from '../upstream/upstreams.ts'
import { allowedConnections, allowedName, isWanted, type AllowedConnection } from './allowedTools.ts'
import type { Principal } from './authenticate.ts'
import type { ServerInfo } from './identity.ts'

type UnavailableReason = 'authorization_required' | 'unreachable' | 'invalid_response'

interface Unavailable {
  readonly connection: string
  readonly reason: UnavailableReason
}

export interface ListToolsDeps {
  readonly accounts: Accounts
  readonly upstreams: Upstreams
  readonly serverInfo: ServerInfo
}

export interface ToolListing {
  /** The result as JSON. */
  readonly result: string
  readonly toolCount: number
  readonly unavailable: readonly Unavailable[]
}

const TTL_MS = 60_000
/** While something is missing, a client should soon ask again. */
const TTL_INCOMPLETE_MS = 1000

/**
 * The tools of all ACTIVE connections: asked for in parallel, in the config's order and then the upstream's. What is
 * missing is named; it is never a list with fewer tools and no word.
 */
export async function listTools(
  { accounts, upstreams, serverInfo }: ListToolsDeps,
  principal: Principal,
  era: Era,
): Promise<ToolListing> {
  const connections = (await allowedConnections(accounts, principal)).filter((each) => isWanted(each, principal))
  const parts = await Promise.all(connections.map((each) => listOne(upstreams, each)))
  const unavailable = parts.flatMap((part) => ('reason' in part ? [part] : []))
  const tools = parts.flatMap((part) => ('reason' in part ? [] : exposedTools(part.from, part.tools, principal, era)))
  const meta = {
    ...(era === 'modern' ? { [SERVER_INFO_META]: serverInfo } : {}),
    ...(unavailable.length > 0 ? { [UNAVAILABLE_META_KEY]: unavailable } : {}),
  }
  const ttlMs = unavailable.length > 0 ? TTL_INCOMPLETE_MS : TTL_MS
  const envelope = era === 'modern' ? `"resultType":"complete","ttlMs":${ttlMs},"cacheScope":"private",` : ''
  const metaMember = Object.keys(meta).length > 0 ? `,"_meta":${JSON.stringify(meta)}` : ''
  return { result: `{${envelope}"tools":[${tools.join(',')}]${metaMember}}`, toolCount: tools.length, unavailable }
}

type Part = Unavailable | { readonly from: AllowedConnection; readonly tools: readonly UpstreamTool[] }

async function listOne(upstreams: Upstreams, from: AllowedConnection): Promise<Part> {
  const connection = from.connection.name
  if (from.account.status !== 'ACTIVE') return { connection, reason: 'authorization_required' }
  try {
    return { from, tools: await upstreams.tools(from) }
  } catch (error) {
    return { connection, reason: reasonOf(error) }
  }
}

function reasonOf(error: unknown): UnavailableReason {
  if (!(error instanceof GatewayError)) throw error
  if (error.code === 'consent_required') return 'authorization_required'
  return error.code === 'upstream_invalid' ? 'invalid_response' : 'unreachable'
}

function exposedTools(
  from: AllowedConnection,
  tools: readonly UpstreamTool[],
  principal: Principal,
  era: Era,
): string[] {
  return tools.flatMap((tool) => {
    const exposed = allowedName(from, principal, tool.name)
    return exposed === undefined ? [] : [withName(tool, exposed, era)]
  })
}

/** The upstream's own bytes, with the name replaced. */
function withName(tool: UpstreamTool, exposed: string, era: Era): string {
  const legacy = era === 'legacy' ? tool.legacy : undefined
  const { json, nameStart, nameEnd } = legacy ?? tool
  return exposed === tool.name ? json : `${json.slice(0, nameStart)}${JSON.stringify(exposed)}${json.slice(nameEnd)}`
}
