import type { Clock, GuardedFetch } from '../services.ts'
import { legacyHeaders, type LegacyLink, type Link } from './link.ts'
import { post, type PostLimits, type PostTarget } from './post.ts'

/**
 * The sessions of the 2025 era that are open at upstreams, so that each is ended when the gateway is done with it
 * (2025-11-25, Streamable HTTP, "Session Management"): with the credential that it was made with and no other, and not
 * while something goes on in it.
 */
export interface UpstreamSessions {
  /** It was made just now. */
  opened(link: LegacyLink, target: PostTarget): void
  /** Something goes on in it from now on, until what this gives is called. */
  enter(link: Link): () => void
  /** The upstream has done in it what it was asked for. */
  worked(link: Link): void
  /** When that was, or when it was made. Undefined for a link that is no open session. */
  workedAt(link: Link): number | undefined
  /** Nothing new will go on in it. */
  retire(link: Link): void
  isRetired(link: Link): boolean
  /** The upstream does not know it any more. */
  lost(link: Link): void
  /** Aborted when it is lost. Undefined for a link that is no open session. */
  whenLost(link: Link): AbortSignal | undefined
  /** Ends all of them, whatever goes on in them, as far as that is possible in a bounded time. */
  close(): Promise<void>
}

export interface UpstreamSessionsDeps {
  readonly fetch: GuardedFetch
  readonly clock: Clock
  readonly limits: (signal: AbortSignal | undefined) => PostLimits
}

interface Open {
  readonly target: PostTarget
  underWay: number
  usedAt: number
  workedAt: number
  isRetired: boolean
  readonly lost: AbortController
}

/** One in which nothing has gone on for so long is retired. */
const IDLE_MS = 30 * 60_000
const SWEEP_MS = 60_000
const CLOSE_WITHIN_MS = 2_000
const ENDED_AT_ONCE = 64

export function createUpstreamSessions({ fetch, clock, limits }: UpstreamSessionsDeps): UpstreamSessions {
  const open = new Map<Link, Open>()
  const ending = new Set<Promise<void>>()
  let sweptAt = clock()
  const timer = setInterval(sweep, SWEEP_MS).unref()

  /** Whatever the upstream says to it, or whether it says anything: it ends idle sessions by itself some day. */
  async function end(link: Link, signal?: AbortSignal): Promise<void> {
    const session = open.get(link)
    if (session === undefined || link.era !== 'legacy') return
    open.delete(link)
    const outgoing = { method: 'DELETE', headers: legacyHeaders(link) } as const
    const ended = post(fetch, session.target, outgoing, limits(signal)).then(
      (answer) => answer.discard(),
      () => undefined,
    )
    ending.add(ended)
    await ended
    ending.delete(ended)
  }

  function sweep(): void {
    const now = clock()
    if (now - sweptAt < SWEEP_MS) return
    sweptAt = now
    for (const [link, { underWay, usedAt }] of open) if (underWay === 0 && now - usedAt > IDLE_MS) retire(link)
  }

  function retire(link: Link): void {
    const session = open.get(link)
    if (session === undefined) return
    session.isRetired = true
    if (session.underWay === 0) void end(link)
  }

  return {
    opened(link, target) {
      if (link.sessionId === undefined) return
      const [usedAt, lost] = [clock(), new AbortController()]
      open.set(link, { target, underWay: 0, usedAt, workedAt: usedAt, isRetired: false, lost })
      sweep()
    },
    enter(link) {
      const session = open.get(link)
      if (session === undefined) return () => undefined
      session.underWay += 1
      let isOver = false
      return () => {
        if (isOver) return
        isOver = true
        session.underWay -= 1
        session.usedAt = clock()
        sweep()
        if (session.isRetired) retire(link)
      }
    },
    worked(link) {
      const session = open.get(link)
      if (session !== undefined) session.workedAt = clock()
    },
    workedAt: (link) => open.get(link)?.workedAt,
    retire,
    isRetired: (link) => link.era === 'legacy' && link.sessionId !== undefined && (open.get(link)?.isRetired ?? true),
    lost(link) {
      const session = open.get(link)
      open.delete(link)
      session?.lost.abort()
    },
    whenLost: (link) => open.get(link)?.lost.signal,
    async close() {
      clearInterval(timer)
      const signal = AbortSignal.timeout(CLOSE_WITHIN_MS)
      const links = open.keys()
      const workers = Array.from({ length: ENDED_AT_ONCE }, async () => {
        for (const link of links) if (!signal.aborted) await end(link, signal)
      })
      await Promise.all(workers)
      open.clear()
      await Promise.race([Promise.all(ending), aborted(signal)])
    },
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const { promise, resolve } = Promise.withResolvers<void>()
  signal.addEventListener('abort', () => resolve(), { once: true })
  await promise
}
