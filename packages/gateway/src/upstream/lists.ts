import type { ConnectedAccount, Connection } from '../domain.ts'
import type { Clock } from '../services.ts'
import { invalidUpstream, unavailable } from './failures.ts'
import { legacyMessage, modernMessage, type ClientInfo, type Link } from './link.ts'
import type { Build } from './links.ts'
import { LISTS, readListPage, type ListKind, type RefusedItem, type UpstreamItem } from './listPage.ts'
import type { Outgoing, PostLimits } from './post.ts'
import { isObject, METHOD_NOT_FOUND } from './protocol.ts'
import { readAnswer, type Answer } from './readAnswer.ts'
import type { UpstreamAnswer } from './upstreamAnswer.ts'

/** Whose upstream. */
export interface ListTarget {
  readonly connection: Connection
  readonly account: ConnectedAccount
}

/** Another object, with other arrays, for each list that was read. */
export interface ReadItems {
  readonly items: readonly UpstreamItem[]
  /** What was left out, and why. */
  readonly refused: readonly RefusedItem[]
}

interface KnownList extends ReadItems {
  readonly generation: number
  readonly expiresAt: number
}

interface PendingList {
  readonly generation: number
  readonly items: Promise<readonly UpstreamItem[]>
}

/** What is remembered of one account's lists. Never shared between accounts. */
export interface ListMemory {
  readonly known: Map<ListKind, KnownList>
  readonly pending: Map<ListKind, PendingList>
}

export interface ListsDeps {
  readonly clock: Clock
  readonly clientInfo: ClientInfo
  readonly timeoutMs: number
  /** The limits of all requests for one list together, from now on. */
  readonly shortLimits: () => PostLimits
  /** Runs with the account's credential and link. */
  readonly ask: (target: ListTarget, run: (send: Send) => Promise<FetchedList>) => Promise<FetchedList>
  /** Called after a list was kept. */
  readonly onKept: (target: ListTarget, memory: ListMemory) => void
}

/** Sends one message over the account's link. */
export type Send = (build: Build, limits: PostLimits) => Promise<UpstreamAnswer>

export interface FetchedList extends ReadItems {
  readonly ttlMs: number | undefined
}

export const MAX_LIST_BYTES = 2 * 1024 * 1024
const MINUTE_MS = 60_000
const DEFAULT_TTL_MS = MINUTE_MS
const MAX_TTL_MS = 60 * MINUTE_MS
const MAX_PAGES = 64
/** Each takes memory besides its text: so many tiny ones would push what others have listed out of it. */
const MAX_ITEMS = 10_000

export function createListMemory(): ListMemory {
  return { known: new Map(), pending: new Map() }
}

/** What is being read now may be of before as well: whoever asks from now on asks anew. */
export function forgetList({ known, pending }: ListMemory, kind: ListKind): void {
  known.delete(kind)
  pending.delete(kind)
}

/** What an item takes besides its texts, counted in characters. */
const BASE_CHARS = 200

/** How many characters the lists take. */
export function sizeOfLists({ known }: ListMemory): number {
  let size = 0
  for (const { items, refused } of known.values()) {
    for (const item of items) size += BASE_CHARS + sizeOfItem(item)
    for (const { name } of refused) size += BASE_CHARS + name.length
  }
  return size
}

function sizeOfItem({ name, json, original = '', legacy, mirrored }: UpstreamItem): number {
  let size = name.length + json.length + original.length + (legacy?.json.length ?? 0)
  for (const { header, path } of mirrored) size += BASE_CHARS + header.length + path.join('').length
  return size
}

/** The same without asking, if it was asked before and the credential is the same; it may be out of date. */
export function knownList(memory: ListMemory, kind: ListKind, generation: number): readonly UpstreamItem[] | undefined {
  const list = memory.known.get(kind)
  return list?.generation === generation ? list.items : undefined
}

/** A list that was read, for as long as the upstream has said that it is good. */
export function currentList(
  memory: ListMemory,
  kind: ListKind,
  generation: number,
  now: number,
): ReadItems | undefined {
  const list = memory.known.get(kind)
  return list?.generation === generation && now < list.expiresAt ? list : undefined
}

/** What was left out of the list that was read last, and why. */
export function refusedItems(memory: ListMemory, kind: ListKind): readonly RefusedItem[] {
  return memory.known.get(kind)?.refused ?? NOTHING_REFUSED
}

const NOTHING_REFUSED: readonly RefusedItem[] = []

/** Lists of upstreams: every page, cached for as long as the upstream says, asked for once by all who ask meanwhile. */
export function createLists({ clock, clientInfo, timeoutMs, shortLimits, ask, onKept }: ListsDeps) {
  return async (target: ListTarget, kind: ListKind, memory: ListMemory): Promise<readonly UpstreamItem[]> => {
    const { generation } = target.account
    const known = currentList(memory, kind, generation, clock())
    if (known !== undefined) return known.items
    const underWay = memory.pending.get(kind)
    if (underWay?.generation === generation) return underWay.items
    const pending = { generation, items: fetchItems() }
    memory.pending.set(kind, pending)
    try {
      return await pending.items
    } finally {
      if (memory.pending.get(kind) === pending) memory.pending.delete(kind)
    }

    async function fetchItems(): Promise<readonly UpstreamItem[]> {
      const { items, refused, expiresAt } = await fetchList(target, kind)
      // It was forgotten meanwhile, or is read anew: then this one is of before.
      if (memory.pending.get(kind) !== pending) return items
      memory.known.set(kind, { generation, items, refused, expiresAt })
      onKept(target, memory)
      return items
    }
  }

  async function fetchList(target: ListTarget, kind: ListKind) {
    const limits = shortLimits()
    const { items, refused, ttlMs } = await beforeDeadline(
      ask(target, (send) => fetchPages(target.connection, kind, send, limits)),
      limits.signal,
      () => unavailable(target.connection, `did not list its ${kind} within ${timeoutMs} ms`),
    )
    const ttl = Math.min(ttlMs ?? DEFAULT_TTL_MS, MAX_TTL_MS)
    return { items, refused, expiresAt: clock() + ttl }
  }

  async function fetchPages(
    connection: Connection,
    kind: ListKind,
    send: Send,
    limits: PostLimits,
  ): Promise<FetchedList> {
    const items = new Map<string, UpstreamItem>()
    const refused: RefusedItem[] = []
    let cursor: string | undefined
    let bytes = 0
    let ttlMs: number | undefined
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const answer = await askForPage(connection, kind, cursor, send, limits)
      // An upstream without prompts has none.
      if (answer === undefined) return { items: [], refused: [], ttlMs: undefined }
      bytes += answer.text.length
      if (bytes > MAX_LIST_BYTES) throw invalidUpstream(connection, `lists more ${kind} than the gateway takes`)
      const read = readListPage(connection, kind, answer)
      for (const item of read.items) if (!items.has(item.name)) items.set(item.name, item)
      refused.push(...read.refused)
      if (items.size + refused.length > MAX_ITEMS) {
        throw invalidUpstream(
          connection,
          `lists more than ${MAX_ITEMS} ${kind}, which is the most that the gateway takes`,
        )
      }
      ttlMs = read.ttlMs === undefined ? ttlMs : Math.min(ttlMs ?? read.ttlMs, read.ttlMs)
      cursor = read.nextCursor
      if (cursor === undefined) return { items: [...items.values()], refused, ttlMs }
    }
    throw invalidUpstream(connection, `lists its ${kind} on more than ${MAX_PAGES} pages`)
  }

  /** Undefined where the upstream does not know the method, and need not: only tools must be there. */
  async function askForPage(
    connection: Connection,
    kind: ListKind,
    cursor: string | undefined,
    send: Send,
    limits: PostLimits,
  ): Promise<Answer | undefined> {
    const { method } = LISTS[kind]
    const params = cursor === undefined ? {} : { cursor }
    let id: string | number = `latchkey-${kind}`
    const build = (link: Link): Outgoing => {
      if (link.era === 'modern') return modernMessage(id, method, params, clientInfo)
      id = link.nextId()
      return legacyMessage(link, { jsonrpc: '2.0', id, method, params })
    }
    const response = await send(build, limits)
    if (!response.ok && (kind === 'tools' || response.status >= 500)) {
      response.discard()
      throw unavailable(connection, `answered with status ${response.status}`)
    }
    const answer = await readAnswer(connection, response, id)
    const { error } = answer.message
    return kind !== 'tools' && isObject(error) && error['code'] === METHOD_NOT_FOUND ? undefined : answer
  }
}

/** Settles at the deadline even where something under way does not listen to the signal. */
async function beforeDeadline<T>(work: Promise<T>, signal: AbortSignal | undefined, failure: () => Error): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(failure())
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, promise])
  } catch (error) {
    throw signal?.aborted ? failure() : error
  } finally {
    signal?.removeEventListener('abort', onAbort)
    work.catch(() => undefined)
  }
}
