import type { AccountEvent } from '../domain.ts'
import type { LogSink } from '../http/requestLog.ts'
import type { EventLog } from '../services.ts'
import type { Store } from '../store/store.ts'

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
export function createEventLog(
  store: Pick<Store, 'events'>,
  { log = () => undefined }: EventLogOptions = {},
): PublishingEventLog {
  const listeners = new Set<(event: AccountEvent) => void>()
  return {
    subscribe(listener) {
      // A function of its own, so that one listener that subscribes twice is told twice and can end each by itself.
      const entry = (event: AccountEvent) => listener(event)
      listeners.add(entry)
      return () => listeners.delete(entry)
    },
    after: (sequence, userIdentifier) => store.events.after(sequence, userIdentifier, PAGE),
    latestSequence: () => store.events.latestSequence(),
    publish(event) {
      for (const listener of listeners) tell(listener, event, log)
    },
  }
}

/** The change is committed: a listener that fails must not make it look as if it had not happened. */
function tell(listener: (event: AccountEvent) => void, event: AccountEvent, log: LogSink): void {
  try {
    listener(event)
  } catch (error) {
    const name = error instanceof Error ? error.name : 'unknown'
    log({ level: 'error', message: 'a listener failed on an event', error: name, eventId: event.id })
  }
}
