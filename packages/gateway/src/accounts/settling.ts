import type { Registry } from '../services.ts'
import type { RefreshStore } from '../store/store.ts'
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

/** At once, in one process: an authorization server that does not answer must not hold up what others would forgive. */
const AT_ONCE = 32

export function createSettling({
  refreshes,
  settle,
}: {
  readonly refreshes: Pick<RefreshStore, 'inDoubt'>
  readonly settle: Refresher['settle']
}): Settling {
  const underWay = new Set<string>()
  return {
    async settleInDoubt(registry) {
      const found = await refreshes.inDoubt(AT_ONCE * 2)
      const next = found.filter(({ id }) => !underWay.has(id)).slice(0, Math.max(0, AT_ONCE - underWay.size))
      await Promise.all(
        next.map(async ({ id, connectionId, generation }) => {
          const connection = registry.connection(connectionId)
          if (connection === undefined) return
          underWay.add(id)
          await settle(connection, id, generation).finally(() => underWay.delete(id))
        }),
      )
    },
  }
}
