import type { LiveStream } from './liveStream.ts'

const SLOTS = 16

export interface KeepAliveWheel {
  /** Gives what takes it off again. */
  readonly add: (stream: LiveStream) => () => void
}

/**
 * Has silent streams say that they live: one timer for all of them, and each turn of it for one sixteenth, so that they
 * do not all write at once.
 */
export function createKeepAliveWheel(keepAliveMs: number): KeepAliveWheel {
  const slots = Array.from({ length: SLOTS }, () => new Set<LiveStream>())
  let timer: NodeJS.Timeout | undefined
  let size = 0
  let added = 0
  let turn = 0

  function tick(): void {
    turn = (turn + 1) % SLOTS
    for (const stream of slots[turn] ?? []) stream.keepAlive()
  }
  return {
    add: (stream) => {
      const slot = slots[added++ % SLOTS]
      slot?.add(stream)
      size++
      timer ??= setInterval(tick, keepAliveMs / SLOTS).unref()
      return () => {
        if (slot?.delete(stream) !== true) return
        size--
        if (size > 0) return
        clearInterval(timer)
        timer = undefined
      }
    },
  }
}
