import type { Backend } from '../backends/backend.ts'
import { sleep } from '../timing/sleep.ts'
import type { Timing } from '../timing/timing.ts'

const FIRST_REOPEN_MS = 250
const MAX_REOPEN_MS = 30_000

export interface WaitForNewsOptions {
  readonly backend: Pick<Backend, 'statusEvents'>
  readonly timing: Timing
  readonly instanceId: string
  /** The connections of which one is to be told ACTIVE. */
  readonly names: readonly string[]
  /** Called once, when nothing can be missed any more. */
  readonly onOpen: () => void
  /** Called when the stream is open again after a time of which nothing will be told. */
  readonly onGap: () => void
  /** Aborted when nobody waits any more, also because the wait has settled. */
  readonly signal: AbortSignal
}

/**
 * Waits until an event says that one of these connections is ACTIVE: also if it was so before, and its user has granted it
 * more. No state tells that. Where the stream was interrupted and cannot be resumed, the event may be lost: whoever waits
 * then has to see for himself.
 *
 * @returns false where the service has no events.
 */
export async function waitForNews(options: WaitForNewsOptions): Promise<boolean> {
  const { backend, timing, instanceId, names, signal } = options
  if (!backend.statusEvents) return false
  let lastEventId: string | undefined
  let isOpened = false
  const onOpen = () => {
    if (!isOpened) options.onOpen()
    else if (lastEventId === undefined) options.onGap()
    isOpened = true
  }
  for (let reopenMs = FIRST_REOPEN_MS; ; reopenMs = Math.min(MAX_REOPEN_MS, reopenMs * 2)) {
    try {
      for await (const event of backend.statusEvents(instanceId, { signal, lastEventId, onOpen })) {
        if (event.id !== undefined) {
          lastEventId = event.id
          reopenMs = FIRST_REOPEN_MS
        }
        if (event.status === 'ACTIVE' && names.includes(event.connectionName)) return true
      }
      if (!isOpened) return false
    } catch {
      // It is opened again, from the last event on, unless nobody waits any more.
    }
    await sleep(timing, reopenMs, signal)
  }
}
