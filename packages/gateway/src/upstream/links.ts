import type { Clock, GuardedAnswer, GuardedFetch } from '../services.ts'
import { GatewayError } from '../errors.ts'
import { NO_CAPABILITIES, type CapabilityCode } from './clientCapabilities.ts'
import { CredentialRefused, SessionLost, unavailable } from './failures.ts'
import { establishLink, handshake, type ClientInfo, type LegacyLink, type Link } from './link.ts'
import { post, type Outgoing, type PostLimits, type PostTarget } from './post.ts'
import type { Era } from './protocol.ts'
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
  /** It has been replaced: whoever still uses it is the last one. */
  isForgotten: boolean
}

export function createLinkMemory(): LinkMemory {
  return { links: new Map(), isForgotten: false }
}

type LinkKey = `${Era}:${CapabilityCode}`

/** Called at the moment of sending, each time. */
export type Build = (link: Link, target: PostTarget) => Outgoing

export interface Links {
  /**
   * Sends what `build` makes of the link, and a second time where the upstream says that it has lost the session.
   */
  send(to: Route, build: Build, limits: PostLimits): Promise<Sent>
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
}

const ANY: LinkWish = { era: 'modern', capabilities: NO_CAPABILITIES }

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
    const { links } = route.memory
    links.set(key, link)
    link.catch(() => {
      if (links.get(key) === link) links.delete(key)
    })
    return link
  }

  async function make(route: Route, stale: Link | undefined): Promise<Link> {
    const { target, wants: { capabilities } = ANY } = route
    const limits = shortLimits()
    try {
      const known = stale ?? (await anotherLink(route))
      if (known !== undefined && isFresh(known)) {
        return known.era === 'modern' ? known : await newSession(target, capabilities, limits)
      }
      return (await legacyIfWanted(route, limits)) ?? (await foundOut(target, capabilities, limits))
    } catch (error) {
      throw limits.signal?.aborted ? unavailable(target.connection, 'did not answer in time') : error
    }
  }

  async function newSession(target: PostTarget, capabilities: CapabilityCode, limits: PostLimits): Promise<LegacyLink> {
    const link = await handshake(deps, target, capabilities, limits)
    sessions.opened(link, target)
    return link
  }

  async function foundOut(target: PostTarget, capabilities: CapabilityCode, limits: PostLimits): Promise<Link> {
    const link = await establishLink(deps, target, capabilities, limits)
    if (link.era === 'legacy') sessions.opened(link, target)
    return link
  }

  /** Undefined where the upstream does not take the handshake of the 2025 era, or can ask nobody for want of a session. */
  async function legacyIfWanted({ target, wants }: Route, limits: PostLimits): Promise<Link | undefined> {
    if (wants?.era !== 'legacy') return undefined
    try {
      const link = await newSession(target, wants.capabilities, limits)
      return link.sessionId === undefined ? undefined : link
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'upstream_invalid') return undefined
      throw error
    }
  }

  /** What another kind of client of the same era has found out holds for this one too. */
  async function anotherLink(route: Route): Promise<Link | undefined> {
    const key = keyOf(route)
    const era = key.slice(0, key.indexOf(':'))
    for (const [other, link] of route.memory.links) {
      if (other === key || !other.startsWith(`${era}:`)) continue
      const known = await link.catch(() => undefined)
      if (known !== undefined && isFresh(known)) return known
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
    forget(memory) {
      memory.isForgotten = true
      for (const link of memory.links.values()) void link.then((made) => sessions.retire(made), ignore)
      memory.links.clear()
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
  const { era, capabilities } = wants ?? ANY
  return `${era}:${capabilities}`
}

function ignore(): void {}

/** Another's credential was refused; ours may be newer. Any other failure is everybody's. */
function ifRefused(error: unknown): undefined {
  if (!(error instanceof CredentialRefused)) throw error
}
