import type { AccountEvent } from '../domain.ts'
import type { LogSink } from '../http/requestLog.ts'
import type { EventLog } from '../services.ts'
import type { Store } from '../store/store.ts'
import { createListeners } from './listeners.ts'

/** The log, and the way into it for what has been committed. */
export interface PublishingEventLog extends EventLog {
  /** Tells everybody in this process about an event that is already in the store. */
  readonly publish: (event: AccountEvent) => void
}

export interface EventLogOptions {
  /** Told when a listener fails. Default: nowhere. */
  readonly log?: LogSink | undefined
}

/** How many events one read gives at most. Whoever wants more reads on from the last one. */
const PAGE = 100

/** Status changes, in order: kept in the store, and pushed within this process. */
export function createEventLog(store: Pick<Store, 'events'>, { log }: EventLogOptions = {}): PublishingEventLog {
  const { subscribe, tell } = createListeners<AccountEvent>({ log, describe: ({ id }) => ({ eventId: id }) })
  return {
    subscribe,
    after: (sequence, userIdentifier) => store.events.after(sequence, userIdentifier, PAGE),
    latestSequence: () => store.events.latestSequence(),
    earliestSequence: () => store.events.earliestSequence(),
    publish: tell,
  }
}
