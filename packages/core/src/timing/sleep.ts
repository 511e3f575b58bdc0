import type { Timing } from './timing.ts'

/** Resolves after `delayMs`; rejects with the signal's reason when it is aborted. Leaves no timer and no listener. */
export function sleep(timing: Timing, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const settle = (finish: () => void) => {
      cancel()
      signal.removeEventListener('abort', onAbort)
      finish()
    }
    const onAbort = () => settle(() => reject(signal.reason))
    const cancel = timing.setTimer(() => settle(resolve), delayMs)
    signal.addEventListener('abort', onAbort)
  })
}
