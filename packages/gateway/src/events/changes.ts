import type { Change } from '../domain.ts'
import type { LogSink } from '../http/requestLog.ts'
import type { Changes } from '../services.ts'
import { createListeners } from './listeners.ts'

/** Changes, and the way in for what has been committed. */
export interface AnnouncingChanges extends Changes {
  /** Tells everybody in this process about a change that is already in the store. */
  readonly announce: (change: Change) => void
}

/** Everything besides the status changes that caches and live streams must hear of. */
export function createChanges({ log }: { readonly log?: LogSink | undefined } = {}): AnnouncingChanges {
  const { subscribe, tell } = createListeners<Change>({
    log,
    describe: ({ sequence }) => ({ changeSequence: sequence }),
  })
  return { subscribe, announce: tell }
}
