import { LRUCache } from 'lru-cache'
import type { ConnectedAccount, Connection } from '../domain.ts'
import type { Clock, Credentials, GuardedAnswer, GuardedFetch, OpenedCredential } from '../services.ts'
import { CredentialRefused, invalidUpstream, SessionLost, unavailable } from './failures.ts'
import { establishLink, handshake, legacyMessage, modernMessage, type ClientInfo, type Link } from './link.ts'
import { post, type Outgoing, type PostLimits, type PostTarget } from './post.ts'
import { readAnswer, type Answer } from './readAnswer.ts'
import { readToolPage, type UpstreamTool } from './toolList.ts'

export interface UpstreamsDeps {
  readonly fetch: GuardedFetch
  readonly credentials: Credentials
  readonly clock: Clock
  readonly clientInfo: ClientInfo
  /** For all pages of one upstream's list together, and for finding out its era. Default 10,000. */
  readonly listTimeoutMs?: number | undefined
}

/** Whose upstream. */
interface Target {
  readonly connection: Connection
  readonly account: ConnectedAccount
}

/** Called at the moment of sending, each time. */
type Build = (link: Link, target: PostTarget) => Outgoing

export interface Upstreams {
  /**
   * Sends what `build` makes of the link, once. It is sent a second time only where the upstream proved that the first
   * was not executed: a 401 (after the credential was renewed) or a lost session (security T52).
   *
   * Throws GatewayError `consent_required`, `upstream_unavailable`, `upstream_invalid`, or the signal's reason.
   */
  send(target: Target, build: Build, signal: AbortSignal): Promise<GuardedAnswer>
  /** A message that needs no answer and whose loss does no harm. Never throws. */
  tell(target: PostTarget, outgoing: Outgoing): void
  /** Every tool of the upstream, in its order; cached for as long as the upstream says. */
  tools(target: Target): Promise<readonly UpstreamTool[]>
  /** The same without asking, if it was asked before and the credential is the same; it may be out of date. */
  knownTools(target: Target): readonly UpstreamTool[] | undefined
  /** The upstream refused in a way that one of another era would: the next call finds out anew. */
  doubtEra(accountId: string): void
  /** After a change of the account's status. */
  forget(accountId: string): void
  /** Ends what is under way. */
  close(): void
}

/** What is remembered of an account's upstream. Never shared between accounts. */
interface Memory {
  link: Promise<Link> | undefined
  list: { readonly generation: number; readonly expiresAt: number; readonly tools: readonly UpstreamTool[] } | undefined
  pending: { readonly generation: number; readonly tools: Promise<readonly UpstreamTool[]> } | undefined
}

const MINUTE_MS = 60_000
const ERA_TTL_MS = 60 * MINUTE_MS
const DEFAULT_LIST_TTL_MS = MINUTE_MS
const MAX_LIST_TTL_MS = 60 * MINUTE_MS
const MAX_PAGES = 64
const MAX_LIST_BYTES = 2 * 1024 * 1024
const MAX_RESULT_BYTES = 10 * 1024 * 1024
const MAX_ACCOUNTS = 10_000
const MAX_CACHED_CHARS = 64 * 1024 * 1024
/** A tool may take long; the client has its own deadline, and its going away ends ours. */
const CALL_TIMEOUT_MS = 10 * MINUTE_MS

export function createUpstreams({
  fetch,
  credentials,
  clock,
  clientInfo,
  listTimeoutMs = 10_000,
}: UpstreamsDeps): Upstreams {
  const linkDeps = { fetch, clock, clientInfo }
  const closing = new AbortController()
  const memories = new LRUCache<string, Memory>({
    max: MAX_ACCOUNTS,
    maxSize: MAX_CACHED_CHARS,
    sizeCalculation: sizeOf,
  })

  function memoryOf(accountId: string): Memory {
    const known = memories.get(accountId)
    if (known !== undefined) return known
    const created: Memory = { link: undefined, list: undefined, pending: undefined }
    memories.set(accountId, created)
    return created
  }

  function deadline(): AbortSignal {
    return AbortSignal.any([AbortSignal.timeout(listTimeoutMs), closing.signal])
  }

  /** The account's link; made once for all who ask meanwhile, whoever of them goes away. */
  async function linkOf(target: PostTarget, memory: Memory): Promise<Link> {
    for (;;) {
      const { link } = memory
      if (link === undefined) return renewLink(target, memory, undefined)
      const known = await link.catch(ifRefused)
      if (known !== undefined && isFresh(known) && isOf(known, target.opened)) return known
      if (memory.link === link) return renewLink(target, memory, known)
    }
  }

  /** Whoever loses the session first makes the new one; the others find it there. */
  async function replaceSession(target: PostTarget, memory: Memory, lost: Link): Promise<Link> {
    const current = await memory.link?.catch(ifRefused)
    return current === undefined || current === lost ? renewLink(target, memory, lost) : linkOf(target, memory)
  }

  function renewLink(target: PostTarget, memory: Memory, stale: Link | undefined): Promise<Link> {
    const link = makeLink(target, stale)
    memory.link = link
    link.catch(() => {
      if (memory.link === link) memory.link = undefined
    })
    return link
  }

  async function makeLink(target: PostTarget, stale: Link | undefined): Promise<Link> {
    const signal = deadline()
    const limits = shortLimits(signal)
    try {
      const isKnownLegacy = stale?.era === 'legacy' && isFresh(stale)
      return await (isKnownLegacy ? handshake(linkDeps, target, limits) : establishLink(linkDeps, target, limits))
    } catch (error) {
      throw signal.aborted ? unavailable(target.connection, 'did not answer in time') : error
    }
  }

  function isFresh(link: Link): boolean {
    return clock() - link.foundAt < ERA_TTL_MS
  }

  async function sendOverLink(
    target: PostTarget,
    memory: Memory,
    build: Build,
    limits: PostLimits,
  ): Promise<GuardedAnswer> {
    const link = await linkOf(target, memory)
    try {
      return await attempt(target, link, build, limits)
    } catch (error) {
      if (!(error instanceof SessionLost)) throw error
    }
    const renewed = await replaceSession(target, memory, link)
    try {
      return await attempt(target, renewed, build, limits)
    } catch (error) {
      throw error instanceof SessionLost ? unavailable(target.connection, 'lost its session twice') : error
    }
  }

  async function attempt(target: PostTarget, link: Link, build: Build, limits: PostLimits): Promise<GuardedAnswer> {
    const response = await post(fetch, target, build(link, target), limits)
    if (response.status !== 404 || link.era !== 'legacy' || link.sessionId === undefined) return response
    response.discard()
    throw new SessionLost()
  }

  /** Runs with the account's credential, and once more with a renewed one if the upstream refuses it. */
  async function withCredential<T>(target: Target, run: (target: PostTarget) => Promise<T>): Promise<T> {
    const { connection, account } = target
    const opened = await credentials.headersFor(connection, account)
    const toPost = (credential: OpenedCredential): PostTarget => ({
      connection,
      partition: account.id,
      opened: credential,
    })
    try {
      return await run(toPost(opened))
    } catch (error) {
      if (!(error instanceof CredentialRefused)) throw error
    }
    const renewed = await credentials.afterRefusal(connection, account, opened)
    try {
      return await run(toPost(renewed))
    } catch (error) {
      throw error instanceof CredentialRefused
        ? unavailable(connection, 'refused a credential that was just renewed')
        : error
    }
  }

  async function fetchTools(target: Target, memory: Memory): Promise<readonly UpstreamTool[]> {
    const signal = deadline()
    const { generation } = target.account
    const { tools, ttlMs } = await beforeDeadline(
      withCredential(target, (to) => fetchPages(to, memory, shortLimits(signal))),
      signal,
      () => unavailable(target.connection, `did not list its tools within ${listTimeoutMs} ms`),
    )
    const ttl = Math.min(ttlMs ?? DEFAULT_LIST_TTL_MS, MAX_LIST_TTL_MS)
    memory.list = { generation, tools, expiresAt: clock() + ttl }
    // Set again, so that the cache knows its size. Not if it was forgotten meanwhile: then this list is of before.
    if (memories.peek(target.account.id) === memory) memories.set(target.account.id, memory)
    return tools
  }

  async function fetchPages(
    target: PostTarget,
    memory: Memory,
    limits: PostLimits,
  ): Promise<{ tools: UpstreamTool[]; ttlMs: number | undefined }> {
    const tools = new Map<string, UpstreamTool>()
    let cursor: string | undefined
    let bytes = 0
    let ttlMs: number | undefined
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const answer = await askForTools(target, memory, cursor, limits)
      bytes += answer.text.length
      if (bytes > MAX_LIST_BYTES) throw invalidUpstream(target.connection, 'lists more tools than the gateway takes')
      const read = readToolPage(target.connection, answer)
      for (const tool of read.tools) if (!tools.has(tool.name)) tools.set(tool.name, tool)
      ttlMs = read.ttlMs === undefined ? ttlMs : Math.min(ttlMs ?? read.ttlMs, read.ttlMs)
      cursor = read.nextCursor
      if (cursor === undefined) return { tools: [...tools.values()], ttlMs }
    }
    throw invalidUpstream(target.connection, `lists its tools on more than ${MAX_PAGES} pages`)
  }

  async function askForTools(
    target: PostTarget,
    memory: Memory,
    cursor: string | undefined,
    limits: PostLimits,
  ): Promise<Answer> {
    const params = cursor === undefined ? {} : { cursor }
    let id: string | number = 'latchkey-tools'
    const build = (link: Link): Outgoing => {
      if (link.era === 'modern') return modernMessage(id, 'tools/list', params, clientInfo)
      id = link.nextId()
      return legacyMessage(link, { jsonrpc: '2.0', id, method: 'tools/list', params })
    }
    const response = await sendOverLink(target, memory, build, limits)
    if (!response.ok) {
      response.discard()
      throw unavailable(target.connection, `answered with status ${response.status}`)
    }
    return readAnswer(target.connection, response, id)
  }

  function freshList(memory: Memory, { account }: Target): readonly UpstreamTool[] | undefined {
    const { list } = memory
    return list !== undefined && list.generation === account.generation && clock() < list.expiresAt
      ? list.tools
      : undefined
  }

  return {
    send(target, build, signal) {
      const limits: PostLimits = {
        signal,
        maxBytes: MAX_RESULT_BYTES,
        headersTimeoutMs: CALL_TIMEOUT_MS,
        bodyIdleTimeoutMs: CALL_TIMEOUT_MS,
      }
      return withCredential(target, (to) => sendOverLink(to, memoryOf(target.account.id), build, limits))
    },

    tell(target, outgoing) {
      void post(fetch, target, outgoing, shortLimits(deadline())).then((answer) => answer.discard(), nothing)
    },

    async tools(target) {
      const memory = memoryOf(target.account.id)
      const known = freshList(memory, target)
      if (known !== undefined) return known
      const { generation } = target.account
      if (memory.pending?.generation === generation) return memory.pending.tools
      const pending = { generation, tools: fetchTools(target, memory) }
      memory.pending = pending
      try {
        return await pending.tools
      } finally {
        if (memory.pending === pending) memory.pending = undefined
      }
    },

    knownTools({ account }) {
      const list = memories.get(account.id)?.list
      return list?.generation === account.generation ? list.tools : undefined
    },

    doubtEra(accountId) {
      const memory = memories.get(accountId)
      if (memory !== undefined) memory.link = undefined
    },

    forget(accountId) {
      memories.delete(accountId)
    },

    close() {
      closing.abort(new Error('the gateway is closing'))
      memories.clear()
    },
  }
}

function isOf(link: Link, opened: OpenedCredential): boolean {
  return link.era === 'modern' || link.generation === opened.generation
}

function shortLimits(signal: AbortSignal): PostLimits {
  return { signal, maxBytes: MAX_LIST_BYTES, headersTimeoutMs: 15_000, bodyIdleTimeoutMs: 15_000 }
}

/** Settles at the deadline even where something under way does not listen to the signal. */
async function beforeDeadline<T>(work: Promise<T>, signal: AbortSignal, failure: () => Error): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(failure())
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, promise])
  } catch (error) {
    throw signal.aborted ? failure() : error
  } finally {
    signal.removeEventListener('abort', onAbort)
    work.catch(nothing)
  }
}

function sizeOf({ list }: Memory): number {
  return 1 + (list?.tools.reduce((sum, { json }) => sum + json.length, 0) ?? 0)
}

/** Another's credential was refused; ours may be newer. Any other failure is everybody's. */
function ifRefused(error: unknown): undefined {
  if (!(error instanceof CredentialRefused)) throw error
}

function nothing(): undefined {
  return undefined
}
