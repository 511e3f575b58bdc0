import { LRUCache } from 'lru-cache'
import type { Registry } from '../services.ts'
import type { AccountInDoubt, RefreshStore } from '../store/store.ts'
import type { Refresher } from './refresher.ts'

export interface Settling {
  /**
   * Looks for refreshes that were begun and have no outcome, because their process died or nobody answered, and begins
   * to settle them. Called at the start, before anything else is served, and then every few seconds: authorization
   * servers forgive the second use of a refresh token for some seconds at most (security T65).
   *
   * Resolves when all are settled that could be; nobody need wait for it.
   */
  settleInDoubt(registry: Pick<Registry, 'connection'>): Promise<void>
}

/** At once, in one process and of one connection: a server that does not answer must not hold up what others would forgive. */
const AT_ONCE = 32
/** So many are looked at, besides those that wait: most times there is none. */
const LOOK_AT = 1_000
const MAX_WAITING = 10_000
/** How many times an account that stays in doubt is passed over, at the most. */
const LONGEST_WAIT = 64

interface Waiting {
  /** How often it was tried. */
  readonly tries: number
  /** The turn that it had last, and from which on it has the next one. */
  readonly last: number
  readonly next: number
}

const NEVER: Waiting = { tries: 0, last: 0, next: 0 }

export function createSettling({
  refreshes,
  settle,
}: {
  readonly refreshes: Pick<RefreshStore, 'inDoubt'>
  readonly settle: Refresher['settle']
}): Settling {
  /** Ids of accounts, by connection. */
  const underWay = new Map<string, Set<string>>()
  /** What has had a turn and may still be in doubt. */
  const waiting = new LRUCache<string, Waiting>({ max: MAX_WAITING })
  let turn = 0

  const waitingOf = (account: AccountInDoubt): Waiting => waiting.peek(keyOf(account)) ?? NEVER

  /** A refresh that nobody can settle has its turn ever more rarely, and takes nobody's place meanwhile. */
  function putOff(account: AccountInDoubt): void {
    const tries = waitingOf(account).tries + 1
    waiting.set(keyOf(account), { tries, last: turn, next: turn + Math.min(LONGEST_WAIT, 2 ** Math.max(0, tries - 2)) })
  }

  /** One that somebody is at has its next turn as it would have had, so that it has it when the holder dies. */
  function noteTurn(account: AccountInDoubt): void {
    const { tries } = waitingOf(account)
    waiting.set(keyOf(account), { tries, last: turn, next: turn + 1 })
  }

  async function begin(account: AccountInDoubt, registry: Pick<Registry, 'connection'>): Promise<void> {
    const { id, connectionId, generation } = account
    const running = underWay.get(connectionId) ?? new Set()
    if (running.has(id) || running.size >= AT_ONCE || waitingOf(account).next > turn) return
    const connection = registry.connection(connectionId)
    if (connection === undefined) return putOff(account)
    underWay.set(connectionId, running.add(id))
    const isTried = await settle(connection, id, generation).finally(() => {
      running.delete(id)
      if (running.size === 0) underWay.delete(connectionId)
    })
    if (isTried) putOff(account)
    else noteTurn(account)
  }

  return {
    async settleInDoubt(registry) {
      turn += 1
      const found = await refreshes.inDoubt(LOOK_AT + waiting.size)
      const rarestFirst = found.map((account) => ({ account, ...waitingOf(account) }))
      rarestFirst.sort((one, other) => one.tries - other.tries || one.last - other.last)
      await Promise.all(rarestFirst.map(({ account }) => begin(account, registry)))
    },
  }
}

/** What comes after it was settled is another doubt. */
function keyOf({ id, generation }: AccountInDoubt): string {
  return `${id} ${generation}`
}
