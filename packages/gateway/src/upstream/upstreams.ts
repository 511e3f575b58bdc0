import { LRUCache } from 'lru-cache'
import type { Clock, Credentials, GuardedAnswer, GuardedFetch, OpenedCredential } from '../services.ts'
import { CredentialRefused, unavailable } from './failures.ts'
import { legacyHeaders, type ClientInfo, type LegacyLink, type Link } from './link.ts'
import { createLinkMemory, createLinks, type Build, type LinkMemory, type LinkWish, type Sent } from './links.ts'
import type { ListKind, RefusedItem, UpstreamItem } from './listPage.ts'
import {
  createListMemory,
  createLists,
  currentList,
  forgetList,
  knownList,
  MAX_LIST_BYTES,
  refusedItems,
  sizeOfLists,
  type ListMemory,
  type ListTarget,
  type ReadItems,
} from './lists.ts'
import { listenTo, type Announcement, type ListenOptions } from './notifications.ts'
import { post, type Outgoing, type PostLimits, type PostTarget } from './post.ts'
import { createSharedListening, type SharedListened } from './sharedListening.ts'
import { plainAnswer, sessionAnswer, type UpstreamAnswer } from './upstreamAnswer.ts'
import { createUpstreamSessions } from './upstreamSessions.ts'

export interface UpstreamsDeps {
  readonly fetch: GuardedFetch
  readonly credentials: Credentials
  readonly clock: Clock
  readonly clientInfo: ClientInfo
  /** For all pages of one upstream's list together, and for finding out its era. Default 10,000. */
  readonly listTimeoutMs?: number | undefined
}

export interface SendOptions {
  readonly signal: AbortSignal
  /** The link that serves this client best. */
  readonly wants: LinkWish
}

export interface Upstreams {
  /**
   * Sends what `build` makes of the link, once. It is sent a second time only where the upstream proved that the first
   * was not executed: a 401 (after the credential was renewed) or a lost session (security T52).
   *
   * Throws GatewayError `consent_required`, `upstream_unavailable`, `upstream_invalid`, or the signal's reason.
   */
  send(target: ListTarget, build: Build, options: SendOptions): Promise<UpstreamAnswer>
  /** The link over which it would be sent. Throws as `send` does. */
  linkTo(target: ListTarget, wants: LinkWish): Promise<Link>
  /** A message that needs no answer and whose loss does no harm. Never throws. */
  tell(target: PostTarget, outgoing: Outgoing): void
  /** The same to an account whose credential has to be opened first. Throws as `send` does. */
  deliver(target: ListTarget, outgoing: Outgoing): Promise<void>
  /** Everything of this kind that the upstream lists, in its order; cached for as long as the upstream says. */
  list(target: ListTarget, kind: ListKind): Promise<readonly UpstreamItem[]>
  /** The same with what was left out of it, where the upstream need not be asked. */
  current(target: ListTarget, kind: ListKind): ReadItems | undefined
  /** The same without asking, if it was asked before and the credential is the same; it may be out of date. */
  known(target: ListTarget, kind: ListKind): readonly UpstreamItem[] | undefined
  /** What was left out of the list that was read last, and why. */
  refused(target: ListTarget, kind: ListKind): readonly RefusedItem[]
  /** Hears what the upstream announces, until the signal. What changes a list is forgotten here first. Never throws. */
  listen(options: ListenOptions): SharedListened
  /** The upstream refused in a way that one of another era would: the next call finds out anew. */
  doubtEra(accountId: string): void
  /** After a change of the account's status. */
  forget(accountId: string): void
  /** Ends what is under way, and the sessions at upstreams, as far as that is possible in a bounded time. */
  close(): Promise<void>
}

/** What is remembered of an account's upstream. Never shared between accounts. */
interface Memory {
  links: LinkMemory
  readonly lists: ListMemory
  /** Of which server it is true: a connection that was made over the API may name another one since. */
  readonly mcpServerUrl: string
}

const MAX_RESULT_BYTES = 10 * 1024 * 1024
const MAX_ACCOUNTS = 10_000
const MAX_CACHED_CHARS = 64 * 1024 * 1024
/** A tool may take long; the client has its own deadline, and its going away ends ours. */
const CALL_TIMEOUT_MS = 10 * 60_000

export function createUpstreams(deps: UpstreamsDeps): Upstreams {
  const { fetch, credentials, clock, clientInfo, listTimeoutMs = 10_000 } = deps
  const closing = new AbortController()
  const sessions = createUpstreamSessions({ fetch, clock, limits: endLimits })
  const links = createLinks({ fetch, clock, clientInfo, shortLimits, sessions })
  const memories = createMemories((memory) => links.forget(memory.links))
  const list = createLists({
    clock,
    clientInfo,
    timeoutMs: listTimeoutMs,
    shortLimits,
    ask: (target, run) => {
      const { links: memory } = memories.of(target)
      return withCredential(target, (to) =>
        run(async (build, limits) => {
          const sent = await links.send({ target: to, memory, wants: undefined }, build, limits)
          return readable(sent, limits, (outgoing, rest) => post(fetch, to, outgoing, rest))
        }),
      )
    },
    onKept: ({ account }, kept) => memories.measure(account.id, kept),
  })

  function shortLimits(): PostLimits {
    const signal = AbortSignal.any([AbortSignal.timeout(listTimeoutMs), closing.signal])
    return { signal, maxBytes: MAX_LIST_BYTES, headersTimeoutMs: 15_000, bodyIdleTimeoutMs: 15_000 }
  }

  /** A session is ended also when the gateway is closing. */
  function endLimits(signal: AbortSignal | undefined): PostLimits {
    const { signal: _closing, ...limits } = shortLimits()
    return { ...limits, signal: signal ?? AbortSignal.timeout(listTimeoutMs) }
  }

  /** Runs with the account's credential, and once more with a renewed one if the upstream refuses it. */
  async function withCredential<T>(target: ListTarget, run: (target: PostTarget) => Promise<T>): Promise<T> {
    const { connection, account } = target
    const opened = await credentials.headersFor(connection, account)
    try {
      return await run(toPost(target, opened))
    } catch (error) {
      if (!(error instanceof CredentialRefused)) throw error
    }
    const renewed = await credentials.afterRefusal(connection, account, opened)
    try {
      return await run(toPost(target, renewed))
    } catch (error) {
      throw error instanceof CredentialRefused
        ? unavailable(connection, 'refused a credential that was just renewed')
        : error
    }
  }

  async function sendTo(
    target: ListTarget,
    build: Build,
    wants: LinkWish,
    limits: PostLimits,
  ): Promise<UpstreamAnswer> {
    const { links: memory } = memories.of(target)
    const sent = await withCredential(target, (to) => links.send({ target: to, memory, wants }, build, limits))
    return readable(sent, limits, (outgoing, rest) => withCredential(target, (to) => post(fetch, to, outgoing, rest)))
  }

  const listen = createSharedListening((options) => {
    const { account } = options.target()
    const onAnnouncement = (announcement: Announcement): void => {
      if (announcement.kind === 'list') forgetLists(memories.peek(account.id)?.lists, announcement.list)
      options.onAnnouncement(announcement)
    }
    const signal = AbortSignal.any([options.signal, closing.signal])
    return listenTo({ clientInfo, send: sendTo, shortLimits, sessions }, { ...options, onAnnouncement, signal })
  })

  return {
    send(target, build, { signal, wants }) {
      const limits = {
        signal,
        maxBytes: MAX_RESULT_BYTES,
        headersTimeoutMs: CALL_TIMEOUT_MS,
        bodyIdleTimeoutMs: CALL_TIMEOUT_MS,
      }
      return sendTo(target, build, wants, limits)
    },
    linkTo(target, wants) {
      const { links: memory } = memories.of(target)
      return withCredential(target, (to) => links.find({ target: to, memory, wants }))
    },
    tell(target, outgoing) {
      void post(fetch, target, outgoing, shortLimits()).then((answer) => answer.discard(), nothing)
    },
    async deliver(target, outgoing) {
      const answer = await withCredential(target, (to) => post(fetch, to, outgoing, shortLimits()))
      answer.discard()
    },
    list: (target, kind) => list(target, kind, memories.of(target).lists),
    current: (target, kind) => currentList(memories.of(target).lists, kind, target.account.generation, clock()),
    refused({ account }, kind) {
      const memory = memories.peek(account.id)
      return memory === undefined ? [] : refusedItems(memory.lists, kind)
    },
    known({ account }, kind) {
      const memory = memories.peek(account.id)
      return memory && knownList(memory.lists, kind, account.generation)
    },
    listen,
    doubtEra(accountId) {
      const memory = memories.peek(accountId)
      if (memory === undefined) return
      links.forget(memory.links)
      memory.links = createLinkMemory()
    },
    forget: (accountId) => memories.forget(accountId),
    async close() {
      closing.abort(new Error('the gateway is closing'))
      memories.clear()
      await sessions.close()
    },
  }
}

/** The rest of an answer that comes in several streams is asked for in the session in which it began. */
function readable(
  { answer, link, worked, leave }: Sent,
  limits: PostLimits,
  ask: (outgoing: Outgoing, limits: PostLimits) => Promise<GuardedAnswer>,
): UpstreamAnswer {
  if (link.era === 'modern') return plainAnswer(answer)
  const inSession = sessionAnswer(answer, {
    onOver: leave,
    reopen: {
      limits,
      ask: (lastEventId, maxBytes) =>
        ask(restOf(link, lastEventId), { ...limits, maxBytes, headersTimeoutMs: REST_HEADERS_TIMEOUT_MS }),
    },
  })
  return answer.ok ? noticingResults(inSession, worked) : inSession
}

/**
 * Many an upstream answers status 200 and an error in a session that it has lost. Whoever reads the answer parses it; an
 * error that only speaks of a "result" makes a lost session last longer, and no more than that.
 */
function noticingResults(answer: UpstreamAnswer, onResult: () => void): UpstreamAnswer {
  const lookAt = (text: string): void => {
    if (text.includes('"result"')) onResult()
  }
  return {
    ...answer,
    async text() {
      const text = await answer.text()
      lookAt(text)
      return text
    },
    events(maxEventChars) {
      const reader = answer.events(maxEventChars)
      return {
        async next() {
          const item = await reader.next()
          if (item?.kind === 'message') lookAt(item.data)
          return item
        },
        cancel: () => reader.cancel(),
      }
    },
  }
}

function restOf(link: LegacyLink, lastEventId: string): Outgoing {
  return { method: 'GET', headers: { ...legacyHeaders(link), 'last-event-id': lastEventId } }
}

const REST_HEADERS_TIMEOUT_MS = 15_000

function forgetLists(memory: ListMemory | undefined, list: 'tools' | 'prompts' | 'resources'): void {
  if (memory === undefined) return
  forgetList(memory, list)
  if (list === 'resources') forgetList(memory, 'resourceTemplates')
}

function toPost({ connection, account }: ListTarget, opened: OpenedCredential): PostTarget {
  return { connection, partition: account.id, opened }
}

function createMemories(onForgotten: (memory: Memory) => void) {
  const memories = new LRUCache<string, Memory>({
    max: MAX_ACCOUNTS,
    dispose: onForgotten,
    noDisposeOnSet: true,
    maxSize: MAX_CACHED_CHARS,
    sizeCalculation: ({ lists }) => 1 + sizeOfLists(lists),
  })
  return {
    of({ account: { id }, connection: { mcpServerUrl } }: ListTarget): Memory {
      const known = memories.get(id)
      if (known?.mcpServerUrl === mcpServerUrl) return known
      if (known !== undefined) onForgotten(known)
      const created: Memory = { links: createLinkMemory(), lists: createListMemory(), mcpServerUrl }
      memories.set(id, created)
      return created
    },
    peek: (accountId: string) => memories.get(accountId),
    /** Set again, and as another object, so that the cache measures it. Not if it was forgotten meanwhile: then this list is of before. */
    measure(accountId: string, lists: ListMemory): void {
      const memory = memories.peek(accountId)
      if (memory?.lists === lists) memories.set(accountId, { ...memory })
    },
    forget: (accountId: string) => void memories.delete(accountId),
    clear: () => memories.clear(),
  }
}

function nothing(): undefined {
  return undefined
}
