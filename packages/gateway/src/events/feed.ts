import type { AccountEvent, Change } from '../domain.ts'
import type { LogSink } from '../http/requestLog.ts'
import type { Store } from '../store/store.ts'
import { createFollower } from './follower.ts'

export interface FeedOptions {
  readonly store: {
    readonly events: Pick<Store['events'], 'since' | 'latestSequence'>
    readonly changes: Pick<Store['changes'], 'after' | 'latestSequence'>
    readonly listen: Store['listen']
  }
  /** Tells the listeners of this process. */
  readonly publish: (event: AccountEvent) => void
  readonly announce: (change: Change) => void
  /** How often the logs are read without a wake-up, in milliseconds. Default 1,000. */
  readonly pollMs?: number
  /** Told when the logs cannot be read. Default: nowhere. */
  readonly log?: LogSink | undefined
}

/** Where this process tells what it has committed, and hears what all others have. */
export interface Feed {
  /** Tells an event that has been committed here at once; it is not told again when it is read. */
  readonly publish: (event: AccountEvent) => void
  readonly announce: (change: Change) => void
  readonly close: () => Promise<void>
}

const POLL_MS = 1_000

/**
 * Brings what is committed in any process to the listeners of this one: within milliseconds where the store wakes us up,
 * and at the next poll where that was lost (security T67). Whoever follows it from its beginning misses nothing.
 */
export async function startFeed({
  store,
  log = () => undefined,
  pollMs = POLL_MS,
  ...tell
}: FeedOptions): Promise<Feed> {
  const events = createFollower({
    position: await store.events.latestSequence(),
    read: (after, limit) => store.events.since(after, limit),
    tell: tell.publish,
  })
  const changes = createFollower({
    position: await store.changes.latestSequence(),
    read: (after, limit) => store.changes.after(after, limit),
    tell: tell.announce,
  })

  // What must not be used any more comes before what may be used now.
  const wake = createCoalescer(async () => {
    await changes.readOn()
    await events.readOn()
  }, complain)

  function complain(error: unknown): void {
    const name = error instanceof Error ? error.name : 'unknown'
    log({ level: 'error', message: 'events of other processes cannot be read', error: name })
  }

  const timer = setInterval(wake.run, pollMs).unref()
  const stopListening = store.listen(wake.run)
  return {
    publish: events.tellNow,
    announce: changes.tellNow,
    close: async () => {
      clearInterval(timer)
      await stopListening()
      await wake.idle()
    },
  }
}

/** Runs a task once for all who ask while it runs, after it: what they know of may have come too late for it. */
function createCoalescer(task: () => Promise<void>, onError: (error: unknown) => void) {
  let running: Promise<void> | undefined
  let isAskedFor = false

  async function loop(): Promise<void> {
    while (isAskedFor) {
      isAskedFor = false
      await task().catch(onError)
    }
    running = undefined
  }
  return {
    run: () => {
      isAskedFor = true
      running ??= loop()
    },
    idle: async () => await running,
  }
}
