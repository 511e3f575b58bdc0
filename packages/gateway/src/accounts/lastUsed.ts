import type { Clock } from '../services.ts'
import type { Store } from '../store/store.ts'

export interface LastUsedOptions {
  readonly store: { readonly instances: Pick<Store['instances'], 'touch'> }
  readonly clock: Clock
  /** How often what was noted is written, in milliseconds. Default: 60,000. */
  readonly everyMs?: number | undefined
}

export interface LastUsed {
  /** Costs nothing: it is written later. */
  readonly note: (instanceId: string) => void
  /** Writes what was noted. What cannot be written is forgotten: it is good to know, and no more. */
  readonly flush: () => Promise<void>
  readonly close: () => Promise<void>
}

/** Then it is written early, so that it does not grow without end. */
const MAX_NOTED = 10_000
/** In one statement. */
const CHUNK = 500

/** When instances were last used, to the minute: a write for every request would cost more than the request. */
export function createLastUsed({ store, clock, everyMs = 60_000 }: LastUsedOptions): LastUsed {
  let noted = new Map<string, number>()
  let writing = Promise.resolve()
  const timer = setInterval(() => void flush(), everyMs)
  timer.unref()

  return {
    note(instanceId) {
      noted.set(instanceId, clock())
      if (noted.size >= MAX_NOTED) void flush()
    },
    flush,
    async close() {
      clearInterval(timer)
      await flush()
    },
  }

  function flush(): Promise<void> {
    const entries = [...noted]
    noted = new Map()
    writing = writing.then(() => write(entries)).catch(() => {})
    return writing
  }

  async function write(entries: readonly (readonly [id: string, at: number])[]): Promise<void> {
    for (let start = 0; start < entries.length; start += CHUNK) {
      const chunk = entries.slice(start, start + CHUNK)
      const ids = chunk.map(([id]) => id)
      await store.instances.touch(ids, new Date(Math.max(...chunk.map(([, at]) => at))))
    }
  }
}
