import { setTimeout as delay } from 'node:timers/promises'
import { legacyHeaders, modernMessage, type ClientInfo, type Link } from './link.ts'
import type { Build, LinkWish } from './links.ts'
import type { ListTarget } from './lists.ts'
import type { Outgoing, PostLimits } from './post.ts'
import { isObject, mediaType, SSE_TYPE } from './protocol.ts'
import { parse } from './readAnswer.ts'
import type { UpstreamAnswer } from './upstreamAnswer.ts'

/** What an upstream announces that a client may want to hear. */
export type Announcement =
  | { readonly kind: 'list'; readonly list: 'tools' | 'prompts' | 'resources' }
  | { readonly kind: 'resource'; readonly uri: string }

export interface NotificationsDeps {
  readonly clientInfo: ClientInfo
  /** Sends with the account's credential, over its link. */
  readonly send: (target: ListTarget, build: Build, wants: LinkWish, limits: PostLimits) => Promise<UpstreamAnswer>
}

export interface ListenOptions {
  readonly target: ListTarget
  readonly wants: LinkWish
  /** The resources of which a change is to be told; an upstream of the 2025 era is told by `resources/subscribe`. */
  readonly uris: readonly string[]
  readonly onAnnouncement: (announcement: Announcement) => void
  readonly signal: AbortSignal
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

/**
 * Hears what one upstream announces, until the signal: over `subscriptions/listen`, or the GET stream of the 2025
 * revisions. A stream that breaks is opened anew, ever more slowly; an upstream that has none is left alone. Whoever
 * listens again may have missed something, so then every list counts as changed.
 */
export async function listenTo(
  { clientInfo, send }: NotificationsDeps,
  options: ListenOptions & { readonly again: boolean },
): Promise<void> {
  const { target, wants, uris, onAnnouncement, signal, again } = options
  const build = (link: Link): Outgoing =>
    link.era === 'modern' ? listenMessage(uris, clientInfo) : { method: 'GET', headers: legacyHeaders(link) }
  let pauseMs = FIRST_PAUSE_MS
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    try {
      const answer = await send(target, build, wants, limitsOf(signal))
      if (BUSY.has(answer.status)) answer.discard()
      else if (!answer.ok || mediaType(answer.headers['content-type']) !== SSE_TYPE) return answer.discard()
      else {
        if (again || attempt > 0) for (const list of ALL_LISTS) onAnnouncement({ kind: 'list', list })
        if (await readAnnouncements(answer, onAnnouncement)) pauseMs = FIRST_PAUSE_MS
      }
    } catch {
      // Whatever it was, the next attempt finds out; calls report what is wrong with this upstream.
    }
    await delay(pauseMs, undefined, { signal, ref: false }).catch(() => undefined)
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
  }
}

const ALL_LISTS = ['tools', 'prompts', 'resources'] as const

const LISTEN_ID = 'latchkey-listen'

function listenMessage(uris: readonly string[], clientInfo: ClientInfo): Outgoing {
  const notifications = {
    toolsListChanged: true,
    promptsListChanged: true,
    resourcesListChanged: true,
    ...(uris.length > 0 && { resourceSubscriptions: uris }),
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
