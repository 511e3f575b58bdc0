import { sleep } from '../timing/sleep.ts'
import type { Timing } from '../timing/timing.ts'
import type { ConnectionState } from './connectionState.ts'
import { UNKNOWN_LIFE_MS } from './missingLinks.ts'

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
 * two of them pass is not there. An app's own link does not end: it is the same again, and is not shown again.
 *
 * @throws what `show` throws.
 */
export async function showLinks(options: ShowLinksOptions): Promise<void> {
  await Promise.all([options.show(options.pending), showAgain(options)])
}

async function showAgain({ pending, show, renew, timing, signal }: ShowLinksOptions): Promise<void> {
  const ends = pending.flatMap(({ authenticationLinkExpiresAt: end }) => (end ? [end.getTime()] : []))
  // One without an end, such as an app's own, brings the renewal of the others not forward.
  const endsAt = ends.length > 0 ? Math.min(...ends) : timing.now() + UNKNOWN_LIFE_MS
  let renewed: readonly ConnectionState[]
  try {
    await sleep(timing, Math.max(0, endsAt - timing.now()), signal)
    renewed = (await renew(signal)).filter((state) => isRenewed(state, pending))
  } catch {
    // Nobody waits any more, or there are no links to be had now: the wait has a deadline.
    return
  }
  if (renewed.length > 0 && !signal.aborted) await show(renewed)
}

function isRenewed(
  { connectionName, authenticationLink }: ConnectionState,
  shown: readonly ConnectionState[],
): boolean {
  // A call that was refused for want of a connection tells its name, and not its id.
  const before = shown.find((state) => state.connectionName === connectionName)
  return before !== undefined && before.authenticationLink !== authenticationLink
}
