import type { ConnectionState } from './connectionState.ts'
import { blocking, isSatisfied, type Requirement } from './requirement.ts'

/** What the states of an instance's connections mean for somebody who waits. */
export type Assessment =
  | { readonly kind: 'ready' }
  | { readonly kind: 'pending'; readonly pending: readonly ConnectionState[] }
  /** Only a new link ends these. */
  | {
      readonly kind: 'failed'
      readonly failed: readonly ConnectionState[]
      readonly pending: readonly ConnectionState[]
    }

const ENDED_STATUSES: ReadonlySet<string> = new Set(['EXPIRED', 'DISCONNECTED'])

/**
 * Pure. A connection that is `EXPIRED` or `DISCONNECTED` will not become ready by waiting, unless it has been so
 * since the wait began: then the user has a new link, and the state is what that link is going to change.
 *
 * @param awaited ids of the connections that have been so since the start, and whose links were shown.
 */
export function assess(
  states: readonly ConnectionState[],
  awaited: ReadonlySet<string>,
  require: Requirement = 'all',
): Assessment {
  if (isSatisfied(states, require)) return { kind: 'ready' }
  const pending = blocking(states, require)
  const failed = pending.filter((state) => isEnded(state) && !awaited.has(state.connectionId))
  // Where one is enough, another one may still come.
  const isFailed = require === 'any' ? failed.length === pending.length : failed.length > 0
  return isFailed ? { kind: 'failed', failed, pending } : { kind: 'pending', pending }
}

/** Whether only a new link can make this connection ready. */
export function isEnded(state: ConnectionState): boolean {
  return ENDED_STATUSES.has(state.status)
}
