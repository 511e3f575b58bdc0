import type { Clock } from '../services.ts'
import type { LiveStream } from './liveStream.ts'

const SLOTS = 16

export interface KeepAliveWheel {
  /** Gives what takes it off again. */
  readonly add: (stream: LiveStream) => () => void
}

/**
 * Has silent streams say that they live: one timer for all of them, and each turn of it for one sixteenth, so that they
 * do not all write at once. It also ends those whose time is over, at most one round too late.
 */
export function createKeepAliveWheel(keepAliveMs: number, clock: Clock): KeepAliveWheel {
  const slots = Array.from({ length: SLOTS }, () => new Set<LiveStream>())
  let timer: NodeJS.Timeout | undefined
  let size = 0
  let added = 0
  let turn = 0

  function tick(): void {
    turn = (turn + 1) % SLOTS
    const now = clock()
    for (const stream of slots[turn] ?? []) {
      if ((stream.subject.endsAt ?? Number.POSITIVE_INFINITY) <= now) stream.end()
      else stream.keepAlive()
    }
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
