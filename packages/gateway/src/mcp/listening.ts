import type { Change } from '../domain.ts'
import type { Accounts, Changes, Clock, EventLog } from '../services.ts'
import { legacyWish, MODERN_WISH, type LinkWish } from '../upstream/links.ts'
import type { Announcement } from '../upstream/notifications.ts'
import { isObject, type RequestId } from '../upstream/protocol.ts'
import type { SharedListened } from '../upstream/sharedListening.ts'
import type { Upstreams } from '../upstream/upstreams.ts'
import { allowedConnections, isWhole, type AllowedConnection } from './allowedItems.ts'
import type { Principal } from './authenticate.ts'
import type { LegacySession } from './legacySession.ts'
import { createListenStream, type ListenStream, type StreamForm } from './listenStream.ts'
import { errorText, jsonReply, resultText } from './replies.ts'
import { exposedUri, upstreamUri } from './resourceUris.ts'
import type { SessionSettingsOf } from './sessionSettings.ts'
import type { StandingCalls } from './standingCalls.ts'

export interface ListeningDeps {
  readonly accounts: Accounts
  readonly events: Pick<EventLog, 'subscribe'>
  readonly changes: Pick<Changes, 'subscribe'>
  readonly upstreams: Upstreams
  readonly settings: Pick<SessionSettingsOf, 'of' | 'onChange'>
  /** Ends the streams of those who have lost their access. */
  readonly standing: Pick<StandingCalls, 'add'>
  readonly clock: Clock
}

export interface Listening {
  /** `subscriptions/listen` of the 2026-07-28 revision. */
  listen(principal: Principal, id: RequestId, params: Readonly<Record<string, unknown>>): Promise<Response>
  /** The GET stream of the 2025 revisions. */
  open(principal: Principal, session: LegacySession): Promise<Response>
  /** Ends every stream in order. */
  close(): void
}

type ListName = 'tools' | 'prompts' | 'resources'

interface Wanted {
  readonly lists: ReadonlySet<ListName>
  /** Exposed URIs, as of now. */
  readonly uris: () => ReadonlySet<string>
  readonly link: () => LinkWish
  /** Where that is set, in the 2025 revisions. */
  readonly sessionId?: string
}

const SUBSCRIPTION_META = 'io.modelcontextprotocol/subscriptionId'
const MAX_STREAMS_OF_USER = 64
const MAX_URIS = 1_000
/** Where it could not be found out whom a stream is for and what they may use. */
const LOOK_AGAIN_MS = 1_000

/**
 * Tells clients that a list has changed: when an account becomes ACTIVE or ceases to be, when the config changes, and
 * when an upstream says so; and that a resource has changed, when its upstream says so. A stream is its user's alone,
 * and ends with the token that opened it.
 */
export function createListening(deps: ListeningDeps): Listening {
  const streams = new Map<ListenStream, string>()
  const ofSession = createSessionStreams()

  async function start(principal: Principal, form: StreamForm, wanted: Wanted): Promise<Response | undefined> {
    const { userIdentifier, expiresAt } = principal
    if ([...streams.values()].filter((user) => user === userIdentifier).length >= MAX_STREAMS_OF_USER) return undefined
    const abort = new AbortController()
    const leave = deps.standing.add({ principal, abort })
    const stream = createListenStream(form, () => {
      leave()
      clearTimeout(expiring)
      streams.delete(stream)
      ofSession.remove(wanted.sessionId, stream)
      abort.abort()
    })
    const expiring = expiresAt === undefined ? undefined : setTimeout(stream.end, expiresAt - deps.clock()).unref()
    abort.signal.addEventListener('abort', () => stream.end())
    streams.set(stream, userIdentifier)
    const isTelling = (): boolean => ofSession.isTelling(wanted.sessionId, stream)
    const onHearing = (): void => ofSession.add(wanted.sessionId, stream)
    try {
      await follow(deps, { principal, wanted, stream, isTelling, onHearing, signal: abort.signal })
    } catch (error) {
      // Nobody gets to read it: it must not count as open for ever.
      stream.end()
      throw error
    }
    return stream.response
  }

  return {
    async listen(principal, id, params) {
      const wanted = wantedOf(params)
      const honoured = await honouredUris(deps, principal, wanted)
      const response = await start(principal, modernForm(id, wanted, honoured), wanted)
      return response ?? jsonReply(errorText(id, TOO_MANY), 429)
    },
    async open(principal, { id: sessionId, capabilities }) {
      const { settings } = deps
      const wanted = {
        lists: new Set(LISTS),
        uris: () => settings.of(sessionId).uris,
        link: () => legacyWish(capabilities, settings.of(sessionId).logLevel),
        sessionId,
      }
      return (await start(principal, LEGACY_FORM, wanted)) ?? jsonReply(errorText(null, TOO_MANY), 429)
    },
    close() {
      for (const stream of streams.keys()) stream.end()
    },
  }
}

/**
 * A client of the 2025 revisions may have several streams in a session, and is told each thing on one of them (2025-11-25,
 * "Multiple Connections"): on the newest that hears what there is to tell, since one that has been lost is often still
 * open on our side.
 */
function createSessionStreams() {
  const sessions = new Map<string, Set<ListenStream>>()
  return {
    /** Does nothing for one that is there already. */
    add(sessionId: string | undefined, stream: ListenStream): void {
      if (sessionId === undefined) return
      const open = sessions.get(sessionId) ?? new Set()
      sessions.set(sessionId, open.add(stream))
    },
    remove(sessionId: string | undefined, stream: ListenStream): void {
      const open = sessions.get(sessionId ?? '')
      if (sessionId === undefined || open === undefined) return
      open.delete(stream)
      if (open.size === 0) sessions.delete(sessionId)
    },
    /** Where none hears yet, each keeps what it is told for its client. */
    isTelling(sessionId: string | undefined, stream: ListenStream): boolean {
      const open = sessions.get(sessionId ?? '')
      return open === undefined || [...open].at(-1) === stream
    },
  }
}

const LISTS = ['tools', 'prompts', 'resources'] as const
const TOO_MANY = { code: -32_000, message: 'Too many open streams: close one first' }

const LEGACY_FORM: StreamForm = {
  opening: [],
  write: (method, params) => JSON.stringify({ jsonrpc: '2.0', method, params }),
  closing: [],
}

function modernForm(id: RequestId, { lists }: Wanted, uris: readonly string[]): StreamForm {
  const meta = { [SUBSCRIPTION_META]: id }
  const write: StreamForm['write'] = (method, params) =>
    JSON.stringify({ jsonrpc: '2.0', method, params: { _meta: meta, ...params } })
  const notifications = {
    ...(lists.has('tools') && { toolsListChanged: true }),
    ...(lists.has('prompts') && { promptsListChanged: true }),
    ...(lists.has('resources') && { resourcesListChanged: true }),
    ...(uris.length > 0 && { resourceSubscriptions: uris }),
  }
  return {
    opening: [write('notifications/subscriptions/acknowledged', { notifications })],
    write,
    closing: [resultText(id, JSON.stringify({ resultType: 'complete', _meta: meta }))],
  }
}

function wantedOf({ notifications }: Readonly<Record<string, unknown>>): Wanted {
  const filter = isObject(notifications) ? notifications : {}
  const lists = LISTS.filter((list) => filter[`${list}ListChanged`] === true)
  const given: unknown = filter['resourceSubscriptions']
  const uris = new Set(Array.isArray(given) ? given.filter(isUri).slice(0, MAX_URIS) : [])
  return {
    lists: new Set(lists),
    uris: () => uris,
    link: () => MODERN_WISH,
  }
}

function isUri(uri: unknown): uri is string {
  return typeof uri === 'string'
}

/** The acknowledgement names what will be told, and nothing of which an upstream does not tell. */
async function honouredUris(
  { accounts, upstreams }: ListeningDeps,
  principal: Principal,
  wanted: Wanted,
): Promise<readonly string[]> {
  const uris = [...wanted.uris()]
  if (uris.length === 0) return []
  const connections = await allowedConnections(accounts, principal)
  const telling = await Promise.all(
    connections.map(async (from) => {
      const isAsked = isWhole(from, principal) && uris.some((uri) => isOf(from, uri))
      return isAsked && (await subscribes(upstreams, from, wanted.link()))
    }),
  )
  const whose = connections.filter((_from, index) => telling[index])
  return uris.filter((uri) => whose.some((from) => isOf(from, uri)))
}

function isOf({ naming, connection }: AllowedConnection, uri: string): boolean {
  return upstreamUri(naming, connection.name, uri) !== undefined
}

/** An upstream that cannot be asked now may be asked later. */
async function subscribes(upstreams: Upstreams, from: AllowedConnection, link: LinkWish): Promise<boolean> {
  if (from.account.status !== 'ACTIVE') return true
  return await upstreams.linkTo(from, link).then(
    ({ subscribes: tells }) => tells,
    () => true,
  )
}

interface Heard {
  /** As it is since the last look. */
  from: AllowedConnection
  readonly link: LinkWish
  readonly abort: AbortController
  readonly want: SharedListened['want']
}

interface Following {
  /** As it is since the last look. */
  principal: Principal
  readonly wanted: Wanted
  readonly stream: ListenStream
  /** Whether it is this stream on which its session is told. */
  readonly isTelling: () => boolean
  /** Called whenever it hears, from then on, what there is to tell. */
  readonly onHearing: () => void
  readonly signal: AbortSignal
  /** By the id of the account. */
  readonly heard: Map<string, Heard>
}

/** Joins a stream to everything that it has to tell, until the signal. */
async function follow(deps: ListeningDeps, given: Omit<Following, 'heard'>): Promise<void> {
  const following: Following = { ...given, heard: new Map() }
  const { wanted, stream, isTelling, signal, heard } = following
  const look = createLook(deps, following)
  const tellLists = (): void => {
    if (!isTelling()) return
    for (const list of wanted.lists) stream.tellList(list)
  }
  let retrying: NodeJS.Timeout | undefined
  const refresh = (): void => {
    clearTimeout(retrying)
    void look().catch(() => {
      // Nothing else may come for a long time that would make it look again.
      clearTimeout(retrying)
      if (!signal.aborted) retrying = setTimeout(refresh, LOOK_AGAIN_MS).unref()
    })
  }
  const unsubscribers = [
    deps.events.subscribe(({ userIdentifier, connectionId }) => {
      if (userIdentifier !== following.principal.userIdentifier || !isMapped(following, connectionId)) return
      tellLists()
      refresh()
    }),
    deps.changes.subscribe((change) => {
      if (!isAbout(following, change)) return
      tellLists()
      refresh()
    }),
    deps.settings.onChange((sessionId) => {
      if (sessionId === wanted.sessionId) refresh()
    }),
  ]
  signal.addEventListener('abort', () => {
    clearTimeout(retrying)
    for (const unsubscribe of unsubscribers) unsubscribe()
    for (const { abort } of heard.values()) abort.abort()
  })
  await look()
}

function isAbout(following: Following, { kind, subject }: Change): boolean {
  const { config, instanceId } = following.principal
  if (kind === 'connection') return isMapped(following, subject)
  return kind === 'config' ? subject === config.id : kind === 'instance' && subject === instanceId
}

function isMapped({ principal }: Following, connectionId: string): boolean {
  return principal.config.mappings.some((mapping) => mapping.connectionId === connectionId)
}

/** Looks whom this is for and what they may use by now, and listens to that. Of several looks the last one counts. */
function createLook({ accounts, upstreams }: ListeningDeps, following: Following): () => Promise<void> {
  let looks = 0
  return async () => {
    looks += 1
    const look = looks
    const found = await following.principal.again()
    // Who has lost the access is told by what ends its calls.
    if (typeof found === 'string') return
    const connections = await allowedConnections(accounts, found)
    if (look !== looks || following.signal.aborted) return
    following.principal = found
    listenToActive(upstreams, following, connections)
    following.onHearing()
  }
}

/**
 * One subscription for each account that is ACTIVE now, at the server that its connection leads to now, over the link that
 * its calls go over; others end.
 */
function listenToActive(upstreams: Upstreams, following: Following, connections: readonly AllowedConnection[]): void {
  const { principal, wanted, heard } = following
  const active = new Map(
    connections.filter(({ account }) => account.status === 'ACTIVE').map((each) => [each.account.id, each]),
  )
  const link = wanted.link()
  for (const [accountId, { from, abort, link: before }] of heard) {
    const isSameServer = active.get(accountId)?.connection.mcpServerUrl === from.connection.mcpServerUrl
    if (isSameServer && before.logLevel === link.logLevel) continue
    abort.abort()
    heard.delete(accountId)
  }
  for (const [accountId, from] of active) {
    const uris = urisOf(from, principal, wanted)
    const known = heard.get(accountId)
    if (known !== undefined) {
      known.from = from
      known.want(uris, from)
      continue
    }
    const abort = new AbortController()
    const { want } = upstreams.listen({
      target: from,
      wants: link,
      uris,
      onAnnouncement: (announcement) => tell(following, heard.get(accountId)?.from ?? from, announcement),
      signal: abort.signal,
    })
    heard.set(accountId, { from, link, abort, want })
  }
}

/** As the upstream names them; only where its resources may be used at all. */
function urisOf(from: AllowedConnection, principal: Principal, { uris }: Wanted): ReadonlySet<string> {
  if (!isWhole(from, principal)) return new Set()
  return new Set([...uris()].flatMap((uri) => upstreamUri(from.naming, from.connection.name, uri) ?? []))
}

function tell(following: Following, from: AllowedConnection, announcement: Announcement): void {
  const { principal, wanted, stream, isTelling } = following
  if (!isTelling()) return
  const { lists, uris } = wanted
  if (announcement.kind === 'list') {
    const isTold = announcement.list === 'tools' || isWhole(from, principal)
    if (isTold && lists.has(announcement.list)) stream.tellList(announcement.list)
    return
  }
  if (!isWhole(from, principal)) return
  const uri = exposedUri(from.naming, from.connection.name, announcement.uri)
  if (uris().has(uri)) stream.tellResource(uri)
}
