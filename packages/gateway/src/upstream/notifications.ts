import { setTimeout as delay } from 'node:timers/promises'
import { legacyHeaders, legacyMessage, modernMessage, type ClientInfo, type Link } from './link.ts'
import type { Build, LinkWish } from './links.ts'
import type { ListTarget } from './lists.ts'
import type { Outgoing, PostLimits } from './post.ts'
import { isObject, mediaType, SSE_TYPE } from './protocol.ts'
import { parse, readAnswer } from './readAnswer.ts'
import type { UpstreamAnswer } from './upstreamAnswer.ts'
import type { UpstreamSessions } from './upstreamSessions.ts'

/** What an upstream announces that a client may want to hear. */
export type Announcement =
  | { readonly kind: 'list'; readonly list: 'tools' | 'prompts' | 'resources' }
  | { readonly kind: 'resource'; readonly uri: string }

export interface NotificationsDeps {
  readonly clientInfo: ClientInfo
  /** Sends with the account's credential, over its link. */
  readonly send: (target: ListTarget, build: Build, wants: LinkWish, limits: PostLimits) => Promise<UpstreamAnswer>
  /** The limits of a short request, from now on. */
  readonly shortLimits: () => PostLimits
  readonly sessions: Pick<UpstreamSessions, 'isRetired' | 'whenLost'>
}

export interface ListenOptions {
  readonly target: ListTarget
  readonly wants: LinkWish
  /** The resources of which a change is to be told. */
  readonly uris: ReadonlySet<string>
  readonly onAnnouncement: (announcement: Announcement) => void
  readonly signal: AbortSignal
}

/** The same for all of those who share what they hear. */
export interface SharedOptions extends Omit<ListenOptions, 'target'> {
  /** The account and its connection, as they are by now. */
  readonly target: () => ListTarget
  /** Something may have been announced that nobody has heard. */
  readonly again: boolean
}

/** What one upstream announces to one account. */
export interface Listened {
  /** The resources of which a change is to be told from now on. */
  want(uris: ReadonlySet<string>): void
  /** The upstream has no such stream, or had none when it was asked. */
  isOver(): boolean
}

const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 60_000
const SILENCE_MS = 10 * 60_000
const MAX_EVENT_CHARS = 64 * 1024
/**
 * What may be otherwise a little later. 409: an upstream of the 2025 era may allow one stream for a session, and take a
 * while to notice that the last one has ended.
 */
const BUSY: ReadonlySet<number> = new Set([409, 429, 502, 503, 504])
const ALL_LISTS = ['tools', 'prompts', 'resources'] as const

/** A stream that is open, and the resources of which it tells. */
interface OpenStream {
  readonly answer: UpstreamAnswer
  readonly link: Link
  uris: ReadonlySet<string>
  readonly stop: AbortController
}

/**
 * Hears what one upstream announces, until the signal: over `subscriptions/listen`, or the GET stream of the 2025
 * revisions and `resources/subscribe`. A stream that breaks is opened anew, ever more slowly; an upstream that has none
 * is left alone. Whoever listens again may have missed something, so then every list counts as changed.
 */
export function listenTo(deps: NotificationsDeps, options: SharedOptions): Listened {
  const { onAnnouncement, signal } = options
  let { uris } = options
  let current: OpenStream | undefined
  let next: OpenStream | undefined
  let isAdjusting = false
  let isOver = false

  async function follow(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      const opened = await open(deps, options, uris)
      if (opened === 'none') return
      if (opened !== 'busy') {
        if (options.again || attempt > 0) for (const list of ALL_LISTS) onAnnouncement({ kind: 'list', list })
        if (await readAll(opened)) pauseMs = FIRST_PAUSE_MS
      }
      await delay(pauseMs, undefined, { signal, ref: false }).catch(() => undefined)
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
    }
  }

  /** A stream, and those that take its place without a gap. True if anything was announced. */
  async function readAll(first: OpenStream): Promise<boolean> {
    let heard = false
    for (let stream: OpenStream | undefined = first; stream !== undefined;) {
      current = stream
      void adjust()
      heard = (await readAnnouncements(stream.answer, onAnnouncement).catch(() => false)) || heard
      stream.stop.abort()
      stream = next
      next = undefined
    }
    current = undefined
    return heard
  }

  /** Until the stream tells of what is wanted by now, which may have changed meanwhile. */
  async function adjust(): Promise<void> {
    if (isAdjusting) return
    isAdjusting = true
    for (;;) {
      const stream = current
      if (stream === undefined || stream.stop.signal.aborted || signal.aborted) break
      if (!isLeft(stream) && !lacks(stream, uris)) break
      await (stream.link.era === 'legacy' && !isLeft(stream) ? subscribe(stream, uris) : replace(stream))
    }
    isAdjusting = false
  }

  async function subscribe(stream: OpenStream, wanted: ReadonlySet<string>): Promise<void> {
    const before = stream.uris
    stream.uris = new Set(wanted)
    for (const uri of wanted) if (!before.has(uri)) await tellUnlessLeft(stream, 'resources/subscribe', uri)
    for (const uri of before) if (!wanted.has(uri)) await tellUnlessLeft(stream, 'resources/unsubscribe', uri)
  }

  async function tellUnlessLeft(stream: OpenStream, method: string, uri: string): Promise<void> {
    if (!signal.aborted && !isLeft(stream)) await tell(deps, options, method, uri)
  }

  /** There is a newer session, in which a subscription would be made: a stream tells of those of its own session. */
  function isLeft({ link }: OpenStream): boolean {
    return deps.sessions.isRetired(link)
  }

  /** What a stream of the new era tells of is said when it is opened; one of the 2025 era moves to the session of now. */
  async function replace(stream: OpenStream): Promise<void> {
    const opened = await open(deps, options, uris)
    if (typeof opened !== 'string') {
      // Until then both of them tell, so that nothing is missed.
      if (opened.link.era === 'legacy') await subscribe(opened, uris)
      // The old one has ended by itself meanwhile, and is opened anew.
      if (current !== stream) return opened.answer.discard()
      next = opened
    }
    stream.stop.abort()
  }

  void follow().finally(() => (isOver = true))
  return {
    want(wanted) {
      uris = new Set(wanted)
      void adjust()
    },
    isOver: () => isOver,
  }
}

/** Telling of too much costs a stream of the new era nothing, and opening another one does. */
function lacks({ link, uris }: OpenStream, wanted: ReadonlySet<string>): boolean {
  return ![...wanted].every((uri) => uris.has(uri)) || (link.era === 'legacy' && uris.size > wanted.size)
}

async function open(
  { clientInfo, send, sessions }: NotificationsDeps,
  { target, wants, signal }: SharedOptions,
  uris: ReadonlySet<string>,
): Promise<OpenStream | 'busy' | 'none'> {
  const stop = new AbortController()
  let link: Link | undefined
  let lost: AbortSignal | undefined
  const build = (over: Link): Outgoing => {
    link = over
    lost = sessions.whenLost(over)
    return over.era === 'modern' ? listenMessage(uris, clientInfo) : { method: 'GET', headers: legacyHeaders(over) }
  }
  try {
    const answer = await send(target(), build, wants, limitsOf(AbortSignal.any([signal, stop.signal])))
    if (link !== undefined && answer.ok && mediaType(answer.headers['content-type']) === SSE_TYPE) {
      // It tells nothing more: whoever listens again knows that it may have missed something.
      lost?.addEventListener('abort', () => stop.abort(), { signal: stop.signal })
      if (lost?.aborted) stop.abort()
      return { answer, link, stop, uris: link.era === 'modern' ? uris : new Set() }
    }
    answer.discard()
    return BUSY.has(answer.status) ? 'busy' : 'none'
  } catch {
    // Whatever it was, the next attempt finds out; calls report what is wrong with this upstream.
    return 'busy'
  }
}

const LISTEN_ID = 'latchkey-listen'

function listenMessage(uris: ReadonlySet<string>, clientInfo: ClientInfo): Outgoing {
  const notifications = {
    toolsListChanged: true,
    promptsListChanged: true,
    resourcesListChanged: true,
    ...(uris.size > 0 && { resourceSubscriptions: [...uris] }),
  }
  return modernMessage(LISTEN_ID, 'subscriptions/listen', { notifications }, clientInfo)
}

function limitsOf(signal: AbortSignal): PostLimits {
  return {
    signal,
    // A stream has no end; what is capped is each of its events.
    maxBytes: Number.MAX_SAFE_INTEGER,
    headersTimeoutMs: 15_000,
    bodyIdleTimeoutMs: SILENCE_MS,
  }
}

/** An upstream of the 2025 era that refuses it tells nothing of this resource: there is nobody to report that to. */
async function tell(
  { send, shortLimits }: NotificationsDeps,
  { target, wants }: SharedOptions,
  method: string,
  uri: string,
): Promise<void> {
  let id = 0
  const build = (link: Link): Outgoing => {
    if (link.era === 'modern') throw new TypeError(`${method} is of the 2025 era`)
    id = link.nextId()
    return legacyMessage(link, { jsonrpc: '2.0', id, method, params: { uri } })
  }
  const to = target()
  await send(to, build, wants, shortLimits())
    .then((answer) => readAnswer(to.connection, answer, id))
    .catch(() => undefined)
}

/** Reads to the end of the stream. True if anything was announced. */
async function readAnnouncements(answer: UpstreamAnswer, onAnnouncement: ListenOptions['onAnnouncement']) {
  const reader = answer.events(MAX_EVENT_CHARS)
  let heard = false
  try {
    for (;;) {
      const item = await reader.next()
      if (item === undefined) return heard
      const announcement = item.kind === 'message' ? announcementIn(item.data) : undefined
      if (announcement === undefined) continue
      heard = true
      onAnnouncement(announcement)
    }
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}

function announcementIn(text: string): Announcement | undefined {
  const { method, params } = parse(text) ?? {}
  const [, list] =
    /^notifications\/(tools|prompts|resources)\/list_changed$/.exec(typeof method === 'string' ? method : '') ?? []
  if (list === 'tools' || list === 'prompts' || list === 'resources') return { kind: 'list', list }
  if (method !== 'notifications/resources/updated' || !isObject(params)) return undefined
  return typeof params['uri'] === 'string' ? { kind: 'resource', uri: params['uri'] } : undefined
}
