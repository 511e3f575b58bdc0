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
  readonly links: Map<LinkKey, Promise<Link>>
  /** Those that have been made. */
  readonly made: Map<LinkKey, Link>
  /** It has been replaced: whoever still uses it is the last one. */
  isForgotten: boolean
}

export function createLinkMemory(): LinkMemory {
  return { links: new Map(), made: new Map(), isForgotten: false }
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
  async function linkOf(route: Route): Promise<Link> {
    const key = keyOf(route)
    for (;;) {
      const link = route.memory.links.get(key)
      if (link === undefined) return renew(route, undefined)
      const known = await link.catch(ifRefused)
      if (known !== undefined && isGood(known, route.target)) return known
      if (route.memory.links.get(key) !== link) continue
      if (known !== undefined) sessions.retire(known)
      return renew(route, known)
    }
  }

  /** Whoever loses the session first makes the new one; the others find it there. */
  async function replaceSession(route: Route, lost: Link): Promise<Link> {
    const current = await route.memory.links.get(keyOf(route))?.catch(ifRefused)
    return current === undefined || current === lost ? renew(route, lost) : linkOf(route)
  }

  function renew(route: Route, stale: Link | undefined): Promise<Link> {
    const key = keyOf(route)
    const link = make(route, stale)
    const { links, made } = route.memory
    links.set(key, link)
    link.then(
      (done) => void (links.get(key) === link && made.set(key, done)),
      () => void (links.get(key) === link && links.delete(key)),
    )
    return link
  }

  async function make(route: Route, stale: Link | undefined): Promise<Link> {
    const { target, wants = MODERN_WISH } = route
    const limits = shortLimits()
    try {
      const known = stale ?? anotherLink(route)
      if (known !== undefined && isFresh(known)) {
        return known.era === 'modern' ? known : await newSession(target, wants, limits)
      }
      return (await legacyIfWanted(route, limits)) ?? (await foundOut(target, wants, limits))
    } catch (error) {
      throw limits.signal?.aborted ? unavailable(target.connection, 'did not answer in time') : error
    }
  }

  async function newSession(target: PostTarget, wants: LinkWish, limits: PostLimits): Promise<LegacyLink> {
    return begun(await handshake(deps, target, wants.capabilities, limits), target, wants, limits)
  }

  async function foundOut(target: PostTarget, wants: LinkWish, limits: PostLimits): Promise<Link> {
    const link = await establishLink(deps, target, wants.capabilities, limits)
    return link.era === 'modern' ? link : begun(link, target, wants, limits)
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
  async function legacyIfWanted({ target, wants }: Route, limits: PostLimits): Promise<Link | undefined> {
    if (wants?.era !== 'legacy') return undefined
    try {
      const link = await newSession(target, wants, limits)
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
  function anotherLink(route: Route): Link | undefined {
    const key = keyOf(route)
    const era = key.slice(0, key.indexOf(':'))
    for (const [other, link] of route.memory.made) {
      if (other !== key && other.startsWith(`${era}:`) && isFresh(link)) return link
    }
    return undefined
  }

  function isGood(link: Link, { opened }: PostTarget): boolean {
    return (
      isFresh(link) && !sessions.isRetired(link) && (link.era === 'modern' || link.generation === opened.generation)
    )
  }

  function isFresh(link: Link): boolean {
    return clock() - link.foundAt < ERA_TTL_MS
  }

  async function attempt({ target, memory }: Route, link: Link, build: Build, limits: PostLimits): Promise<Sent> {
    const over = sessions.enter(link)
    const leave = (): void => {
      over()
      if (memory.isForgotten) sessions.retire(link)
    }
    try {
      const answer = await post(fetch, target, build(link, target), limits)
      if (answer.status !== 404 || link.era !== 'legacy' || link.sessionId === undefined) return { answer, link, leave }
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
      const { target } = route
      const link = await linkOf(route)
      noteUse(route)
      try {
        return await attempt(route, link, build, limits)
      } catch (error) {
        if (!(error instanceof SessionLost)) throw error
      }
      const renewed = await replaceSession(route, link)
      try {
        return await attempt(route, renewed, build, limits)
      } catch (error) {
        throw error instanceof SessionLost ? unavailable(target.connection, 'lost its session twice') : error
      }
    },
    find: linkOf,
    forget(memory) {
      memory.isForgotten = true
      for (const link of memory.links.values()) void link.then((made) => sessions.retire(made), ignore)
      memory.links.clear()
      memory.made.clear()
    },
  }
}

/** A process of a program has lists of its own, so they are asked of the one that was used last. */
function noteUse({ memory, target, wants }: Route): void {
  if (target.connection.program === undefined || wants === undefined) return
  const used = keyOf({ memory, target, wants })
  const { links } = memory
  if (links.keys().next().value === used) return
  const others = [...links].filter(([key]) => key !== used)
  for (const [key, link] of others) {
    links.delete(key)
    links.set(key, link)
  }
}

function keyOf({ memory, wants }: Route): LinkKey {
  if (wants === undefined) for (const any of memory.links.keys()) return any
  const { era, capabilities, logLevel = '' } = wants ?? MODERN_WISH
  return `${era}:${capabilities}:${logLevel}`
}

function ignore(): void {}

/** Another's credential was refused; ours may be newer. Any other failure is everybody's. */
function ifRefused(error: unknown): undefined {
  if (!(error instanceof CredentialRefused)) throw error
}
