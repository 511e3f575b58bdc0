import { LRUCache } from 'lru-cache'
import type { Timing } from '../timing/timing.ts'
import { isEnded } from './assess.ts'
import type { ConnectionState } from './connectionState.ts'

type Show = (connections: readonly ConnectionState[]) => unknown

/** Instances whose links are remembered. */
const MAX_INSTANCES = 10_000
/** Links of which it is remembered, for each callback, that it was shown them. */
const MAX_SHOWN = 10_000
/** A link that is handed out lives this long yet. */
const MIN_LIFE_MS = 60_000
/** How long a link is used whose end is not known. */
export const UNKNOWN_LIFE_MS = 300_000

interface Kept {
  readonly states: readonly ConnectionState[]
  readonly until: number
}

/** Links that are being made. */
interface Minting {
  readonly instanceId: string
  isForgotten: boolean
}

/** The links of connections that an agent can do without for now: each is made once, and shown once to each who asks. */
export class MissingLinks {
  readonly #timing: Timing
  readonly #kept = new LRUCache<string, Kept>({ max: MAX_INSTANCES })
  readonly #minting = new Set<Minting>()
  readonly #shown = new WeakMap<Show, Set<string>>()

  constructor(timing: Timing) {
    this.#timing = timing
  }

  /** The missing connections with links: those made before where they are still good, else what `mint` gives. */
  async of(
    instanceId: string,
    missing: readonly ConnectionState[],
    mint: () => Promise<readonly ConnectionState[]>,
  ): Promise<readonly ConnectionState[]> {
    const kept = this.#good(instanceId, missing)
    if (kept) return kept
    const minting = { instanceId, isForgotten: false }
    this.#minting.add(minting)
    try {
      const states = await mint()
      const ends = states.map(({ authenticationLinkExpiresAt }) => authenticationLinkExpiresAt?.getTime())
      const until = Math.min(...ends.map((end) => (end ? end - MIN_LIFE_MS : this.#timing.now() + UNKNOWN_LIFE_MS)))
      // Those that were being made as they were forgotten are for those alone who waited for them.
      if (!minting.isForgotten) this.#kept.set(instanceId, { states, until })
      return states
    } catch {
      // The tools that there are do not wait for links to others.
      return missing
    } finally {
      this.#minting.delete(minting)
    }
  }

  /** The links were used, or work no more. */
  forget(instanceId: string): void {
    this.#kept.delete(instanceId)
    for (const minting of this.#minting) minting.isForgotten ||= minting.instanceId === instanceId
  }

  /** Shows the links that this callback was not shown yet. It is not waited for, and an error of its own is dropped. */
  show(show: Show, instanceId: string, missing: readonly ConnectionState[]): void {
    const shown = this.#shown.get(show) ?? new Set()
    this.#shown.set(show, shown)
    // An app's own link is the same for all its users, and for every time that a grant ends.
    const keyOf = (state: ConnectionState) =>
      JSON.stringify([instanceId, state.connectionId, isEnded(state), state.authenticationLink])
    const fresh = missing.filter((state) => state.authenticationLink !== undefined && !shown.has(keyOf(state)))
    if (fresh.length === 0) return
    for (const state of fresh) shown.add(keyOf(state))
    forgetOldest(shown)
    const run = async () => await show(fresh)
    run().catch(() => {})
  }

  /** The link of a connection that is not missing any more was used; so was that of one whose grant ended since. */
  #good(instanceId: string, missing: readonly ConnectionState[]): readonly ConnectionState[] | undefined {
    const kept = this.#kept.get(instanceId)
    if (!kept || kept.until <= this.#timing.now()) return undefined
    const states = kept.states.filter((state) => missing.some((now) => isSame(state, now)))
    this.#kept.set(instanceId, { ...kept, states })
    return states.length === missing.length ? states : undefined
  }
}

/** Most callbacks are made for one request, and an `LRUCache` would take its room for all links at once. */
function forgetOldest(shown: Set<string>): void {
  for (const oldest of shown) {
    if (shown.size <= MAX_SHOWN) return
    shown.delete(oldest)
  }
}

function isSame(kept: ConnectionState, now: ConnectionState): boolean {
  return kept.connectionId === now.connectionId && isEnded(kept) === isEnded(now)
}
