import type { Clock, GuardedAnswer, GuardedFetch } from '../services.ts'
import { GatewayError } from '../errors.ts'
import { NO_CAPABILITIES, type CapabilityCode } from './clientCapabilities.ts'
import { CredentialRefused, SessionLost, unavailable } from './failures.ts'
import { establishLink, handshake, legacyMessage, type ClientInfo, type LegacyLink, type Link } from './link.ts'
import type { LogLevel } from './logLevel.ts'
import { post, type Outgoing, type PostLimits, type PostTarget } from './post.ts'
import type { Era } from './protocol.ts'
import { readAnswer } from './readAnswer.ts'
import { plainAnswer } from './upstreamAnswer.ts'
import type { UpstreamSessions } from './upstreamSessions.ts'

export interface LinksDeps {
  readonly fetch: GuardedFetch
  readonly clock: Clock
  readonly clientInfo: ClientInfo
  /** The limits of a handshake, from now on. */
  readonly shortLimits: () => PostLimits
  readonly sessions: UpstreamSessions
}

/**
 * How to speak to one account's upstream, as far as it is known; never shared between accounts. A session of the 2025
 * era says what its client can be asked, so there is one for each kind of client.
 */
export interface LinkMemory {
  readonly links: Map<LinkKey, KnownLink>
  /** Those that have been made. */
  readonly made: Map<LinkKey, Link>
  /** It has been replaced: whoever still uses it is the last one. */
  isForgotten: boolean
}

export function createLinkMemory(): LinkMemory {
  return { links: new Map(), made: new Map(), isForgotten: false }
}

interface KnownLink {
  /** What it is made for, and made anew for. */
  readonly wish: LinkWish
  readonly link: Promise<Link>
}

type LinkKey = `${Era}:${CapabilityCode}:${LogLevel | ''}`

/** Called at the moment of sending, each time. */
export type Build = (link: Link, target: PostTarget) => Outgoing

export interface Links {
  /**
   * Sends what `build` makes of the link, and a second time where the upstream says that it has lost the session.
   */
  send(to: Route, build: Build, limits: PostLimits): Promise<Sent>
  /** The link over which it would be sent. */
  find(to: Route): Promise<Link>
  /** Nobody finds these links any more. */
  forget(memory: LinkMemory): void
}

export interface Sent {
  readonly answer: GuardedAnswer
  readonly link: Link
  /** To be called when the answer has turned out to hold what was asked for. */
  readonly worked: () => void
  /** To be called when the answer has been read: the session may end then. */
  readonly leave: () => void
}

export interface Route {
  readonly target: PostTarget
  readonly memory: LinkMemory
  /** Undefined: whichever link there is will do. */
  readonly wants: LinkWish | undefined
}

/** Of an upstream that speaks both eras, a client gets the one in which the most of what it asks for can be relayed. */
export interface LinkWish {
  readonly era: Era
  /** What the client can be asked in the middle of a request. */
  readonly capabilities: CapabilityCode
  /**
   * How much a client of the 2025 era wants to be told, which is a matter of the session: so there is one for each level,
   * and no client changes what another one hears. Default: as much as the upstream likes.
   */
  readonly logLevel?: LogLevel | undefined
}

/** A route of which it is decided what link there is to be. */
interface Way {
  readonly target: PostTarget
  readonly memory: LinkMemory
  readonly key: LinkKey
  readonly wish: LinkWish
}

export const MODERN_WISH: LinkWish = { era: 'modern', capabilities: NO_CAPABILITIES }

/**
 * A client of the 2025 era that can be asked is served best in its own era, where an upstream asks by a request. One that
 * cannot needs no session.
 */
export function legacyWish(capabilities: CapabilityCode, logLevel: LogLevel | undefined): LinkWish {
  return { era: capabilities === NO_CAPABILITIES ? 'modern' : 'legacy', capabilities, logLevel }
}

const ERA_TTL_MS = 60 * 60_000

/** The links to upstreams: found once for all who ask meanwhile, renewed when they are lost or old. */
export function createLinks(deps: LinksDeps): Links {
  const { fetch, clock, shortLimits, sessions } = deps

  /** Made once for all who ask meanwhile, whoever of them goes away. */
  async function linkOf(way: Way): Promise<Link> {
    const { target, memory, key } = way
    for (;;) {
      const entry = memory.links.get(key)
      if (entry === undefined) return renew(way, undefined)
      const known = await entry.link.catch(ifRefused)
      if (known !== undefined && isGood(known, target)) return known
      if (memory.links.get(key) !== entry) continue
      if (known !== undefined) sessions.retire(known)
      return renew(way, known)
    }
  }

  /** Whoever loses the session first makes the new one; the others find it there. */
  async function replaceSession(way: Way, lost: Link): Promise<Link> {
    const current = await way.memory.links.get(way.key)?.link.catch(ifRefused)
    return current === undefined || current === lost ? renew(way, lost) : linkOf(way)
  }

  function renew(way: Way, stale: Link | undefined): Promise<Link> {
    const { key, wish } = way
    const { links, made } = way.memory
    const entry = { wish, link: make(way, stale) }
    links.set(key, entry)
    entry.link.then(
      (done) => void (links.get(key) === entry && made.set(key, done)),
      () => void (links.get(key) === entry && links.delete(key)),
    )
    return entry.link
  }

  async function make(way: Way, stale: Link | undefined): Promise<Link> {
    const { target, wish } = way
    const limits = shortLimits()
    try {
      const known = stale ?? anotherLink(way)
      if (known !== undefined && isFresh(known)) {
        return known.era === 'modern' ? known : await newSession(target, wish, limits)
      }
      return (await legacyIfWanted(way, limits)) ?? (await foundOut(target, wish, limits))
    } catch (error) {
      throw limits.signal?.aborted ? unavailable(target.connection, 'did not answer in time') : error
    }
  }

  async function newSession(target: PostTarget, wish: LinkWish, limits: PostLimits): Promise<LegacyLink> {
    return begun(await handshake(deps, target, wish.capabilities, limits), target, wish, limits)
  }

  async function foundOut(target: PostTarget, wish: LinkWish, limits: PostLimits): Promise<Link> {
    const link = await establishLink(deps, target, wish.capabilities, limits)
    return link.era === 'modern' ? link : begun(link, target, wish, limits)
  }

  async function begun(link: LegacyLink, target: PostTarget, { logLevel }: LinkWish, limits: PostLimits) {
    sessions.opened(link, target)
    // A program's process is the session of all who were initialized alike: its level is nobody's own.
    if (logLevel === undefined || !link.logs || target.connection.program !== undefined) return link
    const id = link.nextId()
    const message = { jsonrpc: '2.0', id, method: 'logging/setLevel', params: { level: logLevel } }
    // It holds from its answer on. Whatever comes of it: what is logged is no reason not to carry out what is asked for.
    await post(fetch, target, legacyMessage(link, message), limits)
      .then((answer) => readAnswer(target.connection, plainAnswer(answer), id))
      .catch(ignore)
    return link
  }

  /** Undefined where the upstream does not take the handshake of the 2025 era, or can ask nobody for want of a session. */
  async function legacyIfWanted({ target, wish }: Way, limits: PostLimits): Promise<Link | undefined> {
    if (wish.era !== 'legacy') return undefined
    try {
      const link = await newSession(target, wish, limits)
      return link.sessionId === undefined ? undefined : link
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'upstream_invalid') return undefined
      throw error
    }
  }

  /**
   * What another kind of client of the same era has found out holds for this one too. What it is still finding out is not
   * waited for: it may be waiting for this one.
   */
  function anotherLink({ memory, key, wish }: Way): Link | undefined {
    for (const [other, link] of memory.made) {
      if (other !== key && other.startsWith(`${wish.era}:`) && isFresh(link)) return link
    }
    return undefined
  }

  /**
   * A session that works is not given up for its age: something may depend on it. One that does not may be one that the
   * upstream has lost, and says so in a way of its own.
   */
  function isGood(link: Link, { opened }: PostTarget): boolean {
    if (link.era === 'modern') return isFresh(link)
    if (link.generation !== opened.generation || sessions.isRetired(link)) return false
    return isFresh({ foundAt: sessions.workedAt(link) ?? link.foundAt })
  }

  function isFresh({ foundAt }: Pick<Link, 'foundAt'>): boolean {
    return clock() - foundAt < ERA_TTL_MS
  }

  async function attempt({ target, memory }: Way, link: Link, build: Build, limits: PostLimits): Promise<Sent> {
    const over = sessions.enter(link)
    const leave = (): void => {
      over()
      if (memory.isForgotten) sessions.retire(link)
    }
    try {
      const answer = await post(fetch, target, build(link, target), limits)
      if (answer.status !== 404 || link.era !== 'legacy' || link.sessionId === undefined) {
        return { answer, link, worked: () => sessions.worked(link), leave }
      }
      answer.discard()
    } catch (error) {
      leave()
      throw error
    }
    sessions.lost(link)
    throw new SessionLost()
  }

  return {
    async send(route, build, limits) {
      const way = wayOf(route)
      const link = await linkOf(way)
      if (route.wants !== undefined) noteUse(way)
      try {
        return await attempt(way, link, build, limits)
      } catch (error) {
        if (!(error instanceof SessionLost)) throw error
      }
      const renewed = await replaceSession(way, link)
      try {
        return await attempt(way, renewed, build, limits)
      } catch (error) {
        throw error instanceof SessionLost ? unavailable(way.target.connection, 'lost its session twice') : error
      }
    },
    find: (route) => linkOf(wayOf(route)),
    forget(memory) {
      memory.isForgotten = true
      for (const { link } of memory.links.values()) void link.then((made) => sessions.retire(made), ignore)
      memory.links.clear()
      memory.made.clear()
    },
  }
}

/** A process of a program has lists of its own, so they are asked of the one that was used last. */
function noteUse({ memory: { links }, target, key: used }: Way): void {
  if (target.connection.program === undefined) return
  if (links.keys().next().value === used) return
  const others = [...links].filter(([key]) => key !== used)
  for (const [key, link] of others) {
    links.delete(key)
    links.set(key, link)
  }
}

/** Where any link will do, it is the one that there is, for whom it was made. */
function wayOf({ target, memory, wants }: Route): Way {
  const [first] = memory.links.values()
  const wish = wants ?? first?.wish ?? MODERN_WISH
  return { target, memory, key: keyOf(wish), wish }
}

function keyOf({ era, capabilities, logLevel }: LinkWish): LinkKey {
  return `${era}:${capabilities}:${logLevel ?? ''}`
}

function ignore(): void {}

/** Another's credential was refused; ours may be newer. Any other failure is everybody's. */
function ifRefused(error: unknown): undefined {
  if (!(error instanceof CredentialRefused)) throw error
}
