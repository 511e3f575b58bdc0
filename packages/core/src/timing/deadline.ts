import { LatchkeyError } from '../errors.ts'
import type { Timing } from './timing.ts'

/** One deadline and one signal for everything that a call does. */
export interface Deadline extends Disposable {
  /** Aborted, with a `LatchkeyError` as its reason, by the deadline (`timeout`) or one of the signals (`aborted`). */
  readonly signal: AbortSignal
  /** Why it ended; undefined while it has not. */
  readonly ended: 'timeout' | 'aborted' | undefined
  remainingMs(): number
}

export interface DeadlineOptions {
  readonly timeoutMs: number
  /** The caller's. */
  readonly signal?: AbortSignal | undefined
  /** Aborted when everything is to end: what the call belongs to was closed. */
  readonly closed?: AbortSignal | undefined
  readonly timing: Timing
  /** For the message, such as `waiting for user "u1"`. */
  readonly what: string
}

/**
 * Joins a time limit and the signals that may end a call. Dispose of it when the call settles: no timer and no listener
 * is left.
 */
export function startDeadline({ timeoutMs, signal, closed, timing, what }: DeadlineOptions): Deadline {
  const controller = new AbortController()
  const endsAt = timing.now() + timeoutMs
  let ended: Deadline['ended']
  const end = (reason: 'timeout' | 'aborted', error: LatchkeyError) => {
    ended ??= reason
    controller.abort(error)
  }
  const onAbort = () => {
    const cause: unknown = signal?.reason
    end(
      'aborted',
      cause instanceof LatchkeyError ? cause : new LatchkeyError('aborted', `${what} was aborted by its signal`),
    )
  }
  const onClosed = () => end('aborted', new LatchkeyError('aborted', `${what} was aborted: this Latchkey was closed`))
  const cancelTimer = timing.setTimer(
    () => end('timeout', new LatchkeyError('timeout', `${what} took longer than ${timeoutMs} ms`)),
    timeoutMs,
  )
  if (signal?.aborted) onAbort()
  else signal?.addEventListener('abort', onAbort)
  if (closed?.aborted) onClosed()
  else closed?.addEventListener('abort', onClosed)
  return {
    signal: controller.signal,
    get ended() {
      return ended
    },
    remainingMs: () => Math.max(0, endsAt - timing.now()),
    [Symbol.dispose]() {
      cancelTimer()
      signal?.removeEventListener('abort', onAbort)
      closed?.removeEventListener('abort', onClosed)
    },
  }
}
