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

export function createSettling({
  refreshes,
  settle,
}: {
  readonly refreshes: Pick<RefreshStore, 'inDoubt'>
  readonly settle: Refresher['settle']
}): Settling {
  /** Ids of accounts, by connection. */
  const underWay = new Map<string, Set<string>>()
  /** What was tried and may still be in doubt: how often, and when it has its next turn. */
  const waiting = new LRUCache<string, { readonly tries: number; readonly next: number }>({ max: MAX_WAITING })
  let turn = 0

  const triesOf = (account: AccountInDoubt): number => waiting.peek(keyOf(account))?.tries ?? 0

  /** A refresh that nobody can settle has its turn ever more rarely, and takes nobody's place meanwhile. */
  function putOff(account: AccountInDoubt): void {
    const tries = triesOf(account) + 1
    waiting.set(keyOf(account), { tries, next: turn + Math.min(LONGEST_WAIT, 2 ** Math.max(0, tries - 2)) })
  }

  async function begin(account: AccountInDoubt, registry: Pick<Registry, 'connection'>): Promise<void> {
    const { id, connectionId, generation } = account
    const running = underWay.get(connectionId) ?? new Set()
    if (running.has(id) || running.size >= AT_ONCE || (waiting.get(keyOf(account))?.next ?? 0) > turn) return
    const connection = registry.connection(connectionId)
    putOff(account)
    if (connection === undefined) return
    underWay.set(connectionId, running.add(id))
    await settle(connection, id, generation).finally(() => {
      running.delete(id)
      if (running.size === 0) underWay.delete(connectionId)
    })
  }

  return {
    async settleInDoubt(registry) {
      turn += 1
      const found = await refreshes.inDoubt(LOOK_AT + waiting.size)
      const rarestFirst = found.toSorted((one, other) => triesOf(one) - triesOf(other))
      await Promise.all(rarestFirst.map((account) => begin(account, registry)))
    },
  }
}

/** What comes after it was settled is another doubt. */
function keyOf({ id, generation }: AccountInDoubt): string {
  return `${id} ${generation}`
}
