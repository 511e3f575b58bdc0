import { UNAVAILABLE_META_KEY } from '@latchkey/core/wire'
import { GatewayError } from '../errors.ts'
import type { Accounts, UnavailableReason } from '../services.ts'
import { SERVER_INFO_META, type Era } from '../upstream/protocol.ts'
import type { ListKind, RefusedItem, UpstreamItem } from '../upstream/listPage.ts'
import type { TextFlag } from '../upstream/plainText.ts'
import type { Upstreams } from '../upstream/upstreams.ts'
import { allowedConnections, allowedName, isWanted, type AllowedConnection } from './allowedItems.ts'
import type { Principal } from './authenticate.ts'
import type { ServerInfo } from './identity.ts'
import type { Available, Contribution, KeptListings } from './keptListings.ts'
import type { Quarantine } from './quarantine.ts'

export interface Unavailable {
  readonly connection: string
  readonly reason: UnavailableReason
}

/** An item of an upstream that is not handed on. */
interface Refused extends RefusedItem {
  readonly connection: string
}

/** In a result's `_meta`: items that were left out, with the reason. */
const REFUSED_META_KEY = 'latchkey/refused'
const MAX_REFUSED = 100

export interface ListItemsDeps {
  readonly accounts: Accounts
  readonly upstreams: Upstreams
  readonly quarantine: Quarantine
  readonly serverInfo: ServerInfo
  readonly kept: KeptListings
}

export interface ListRequest {
  readonly kind: ListKind
  readonly principal: Principal
  readonly era: Era
  /** As the client sent it: where the page begins. */
  readonly cursor: unknown
}

export interface Listing {
  /** The result as JSON. */
  readonly result: string
  readonly count: number
  readonly unavailable: readonly Unavailable[]
  /** What was left out, and why (security T46). */
  readonly refused: readonly Refused[]
  /** Of each item whose texts were changed, what was taken out (security T49). */
  readonly flags: readonly (readonly TextFlag[])[]
}

const TTL_MS = 60_000
/** While something is missing, a client should soon ask again. */
const TTL_INCOMPLETE_MS = 1000
const PAGE_SIZE = 1000

/**
 * What all ACTIVE connections have of one kind: asked for in parallel, in the config's order and then the upstream's.
 * What is missing is named; it is never a list with fewer items and no word. Undefined for a cursor that is not ours.
 */
export async function listItems(
  { accounts, upstreams, quarantine, serverInfo, kept }: ListItemsDeps,
  request: ListRequest,
): Promise<Listing | undefined> {
  const { kind, principal, cursor } = request
  const start = readCursor(cursor)
  if (start === undefined) return undefined
  const connections = await allowedConnections(accounts, principal)
  const wanted = connections.filter((each) => isWanted(kind, each, principal))
  const parts = await allOf(wanted.map((each) => listOne({ upstreams, quarantine }, kind, each)))
  return kept.of(request, start, parts, () => joined(request, start, parts, serverInfo))
}

/** Waits only where there is something to wait for. */
async function allOf(parts: readonly (Contribution | Promise<Contribution>)[]): Promise<readonly Contribution[]> {
  const known = parts.flatMap((part) => (part instanceof Promise ? [] : [part]))
  return known.length === parts.length ? known : await Promise.all(parts.map(async (part) => await part))
}

function joined(
  { kind, principal, era }: ListRequest,
  start: number,
  parts: readonly Contribution[],
  serverInfo: ServerInfo,
): Listing {
  const unavailable = parts.flatMap((part) => ('reason' in part ? [part] : []))
  const available = parts.flatMap((part) => ('reason' in part ? [] : [part]))
  const items = available.flatMap((part) => exposedItems(kind, part, principal, era))
  const page = items.slice(start, start + PAGE_SIZE)
  const nextCursor = start + PAGE_SIZE < items.length ? writeCursor(start + PAGE_SIZE) : undefined
  const refused = available.flatMap((part) => refusedIn(kind, part, principal)).slice(0, MAX_REFUSED)
  const result = resultOf({ kind, era, page, nextCursor, unavailable, refused, serverInfo })
  const flags = available.flatMap((part) => part.items.map((item) => item.flags)).filter(({ length }) => length > 0)
  return { result, count: page.length, unavailable, refused, flags }
}

function resultOf({
  kind,
  era,
  page,
  nextCursor,
  unavailable,
  refused,
  serverInfo,
}: {
  readonly kind: ListKind
  readonly era: Era
  readonly page: readonly string[]
  readonly nextCursor: string | undefined
  readonly unavailable: readonly Unavailable[]
  readonly refused: readonly Refused[]
  readonly serverInfo: ServerInfo
}): string {
  const meta = {
    ...(era === 'modern' ? { [SERVER_INFO_META]: serverInfo } : {}),
    ...(unavailable.length > 0 ? { [UNAVAILABLE_META_KEY]: unavailable } : {}),
    ...(refused.length > 0 ? { [REFUSED_META_KEY]: refused } : {}),
  }
  const ttlMs = unavailable.length > 0 ? TTL_INCOMPLETE_MS : TTL_MS
  const envelope = era === 'modern' ? `"resultType":"complete","ttlMs":${ttlMs},"cacheScope":"private",` : ''
  const next = nextCursor === undefined ? '' : `,"nextCursor":${JSON.stringify(nextCursor)}`
  const metaMember = Object.keys(meta).length > 0 ? `,"_meta":${JSON.stringify(meta)}` : ''
  return `{${envelope}"${kind}":[${page.join(',')}]${next}${metaMember}}`
}

const CURSOR = /^from-(\d{1,7})$/

function writeCursor(start: number): string {
  return Buffer.from(`from-${start}`).toString('base64url')
}

function readCursor(cursor: unknown): number | undefined {
  if (cursor === undefined) return 0
  const [, start] = CURSOR.exec(typeof cursor === 'string' ? Buffer.from(cursor, 'base64url').toString() : '') ?? []
  return start === undefined ? undefined : Number(start)
}

/** Only of what this principal may use at all: names of others are not told. */
function refusedIn(kind: ListKind, { from, refused }: Available, principal: Principal): Refused[] {
  const { tools } = from
  const isNamed = (name: string): boolean =>
    kind !== 'tools' ||
    (tools?.includes(name) !== false &&
      (principal.tools === undefined || allowedName(kind, from, principal, name) !== undefined))
  return refused
    .filter(({ name }) => isNamed(name))
    .map(({ name, problem }) => ({ connection: from.connection.name, name, problem }))
}

/** What is known already needs no waiting for. */
function listOne(
  deps: Pick<ListItemsDeps, 'upstreams' | 'quarantine'>,
  kind: ListKind,
  from: AllowedConnection,
): Contribution | Promise<Contribution> {
  const { connection, account } = from
  if (account.status !== 'ACTIVE') return { connection: connection.name, reason: 'authorization_required' }
  const current = connection.pinTools === true ? undefined : deps.upstreams.current(from, kind)
  if (current === undefined) return askOne(deps, kind, from)
  const { items, refused } = current
  return { from, items, refused }
}

async function askOne(
  { upstreams, quarantine }: Pick<ListItemsDeps, 'upstreams' | 'quarantine'>,
  kind: ListKind,
  from: AllowedConnection,
): Promise<Contribution> {
  try {
    const items = await upstreams.list(from, kind)
    const refused = upstreams.refused(from, kind)
    return { from, items: kind === 'tools' ? await quarantine.admitted(from, items) : items, refused }
  } catch (error) {
    return { connection: from.connection.name, reason: reasonOf(error) }
  }
}

/** What the endpoint says of an upstream that cannot be listed. Throws what is no fault of the upstream's. */
export function reasonOf(error: unknown): UnavailableReason {
  if (!(error instanceof GatewayError)) throw error
  if (error.code === 'consent_required') return 'authorization_required'
  return error.code === 'upstream_invalid' ? 'invalid_response' : 'unreachable'
}

function exposedItems(kind: ListKind, { from, items }: Available, principal: Principal, era: Era): string[] {
  return items.flatMap((item) => {
    const exposed = allowedName(kind, from, principal, item.name)
    return exposed === undefined ? [] : [withName(item, exposed, era)]
  })
}

/** The upstream's own bytes, with the name replaced. */
function withName(item: UpstreamItem, exposed: string, era: Era): string {
  const legacy = era === 'legacy' ? item.legacy : undefined
  const { json, nameStart, nameEnd } = legacy ?? item
  return exposed === item.name ? json : `${json.slice(0, nameStart)}${JSON.stringify(exposed)}${json.slice(nameEnd)}`
}
