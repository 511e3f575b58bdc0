import { sleep } from '../timing/sleep.ts'
import type { Timing } from '../timing/timing.ts'
import type { ConnectionState } from './connectionState.ts'

export interface ShowLinksOptions {
  /** What is pending, with its links. */
  readonly pending: readonly ConnectionState[]
  readonly show: (connections: readonly ConnectionState[]) => unknown
  /** What is pending now, with fresh links. */
  readonly renew: (signal: AbortSignal) => Promise<readonly ConnectionState[]>
  readonly timing: Timing
  /** Aborted when nobody waits any more. */
  readonly signal: AbortSignal
}

/**
 * Shows the links, and once more fresh ones if they end before everything is connected. Not a third time: whoever let
 * two of them pass is not there.
 *
 * @throws what `show` throws.
 */
export async function showLinks(options: ShowLinksOptions): Promise<void> {
  await Promise.all([options.show(options.pending), showAgain(options)])
}

async function showAgain({ pending, show, renew, timing, signal }: ShowLinksOptions): Promise<void> {
  const endsAt = Math.min(...pending.map((state) => state.authenticationLinkExpiresAt?.getTime() ?? Infinity))
  if (endsAt === Infinity) return
  let renewed: readonly ConnectionState[]
  try {
    await sleep(timing, Math.max(0, endsAt - timing.now()), signal)
    const asked = new Set(pending.map(({ connectionId }) => connectionId))
    renewed = (await renew(signal)).filter(({ connectionId }) => asked.has(connectionId))
  } catch {
    // Nobody waits any more, or there are no links to be had now: the wait has a deadline.
    return
  }
  if (renewed.length > 0 && !signal.aborted) await show(renewed)
}
