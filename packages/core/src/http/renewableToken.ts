import type { Timing } from '../timing/timing.ts'
import { SingleFlight } from '../timing/singleFlight.ts'

export interface FetchedToken {
  readonly value: string
  readonly expiresInMs: number
}

/** A token that is fetched once for everybody, renewed before it ends, and never shown. */
export interface RenewableToken {
  get(signal?: AbortSignal): Promise<string>
  /** A token other than the one that was refused. */
  afterRefusal(refused: string, signal?: AbortSignal): Promise<string>
}

/** The part of its life before whose end a token is renewed. */
const RENEWAL_FRACTION = 0.2
const MAX_RENEWAL_MARGIN_MS = 60_000

export function createRenewableToken(
  fetchToken: (signal: AbortSignal) => Promise<FetchedToken>,
  timing: Timing,
): RenewableToken {
  const flights = new SingleFlight<string>()
  let current: { value: string; renewAt: number } | undefined

  const renew = (signal: AbortSignal | undefined) =>
    flights.run('renew', signal, async (shared) => {
      const { value, expiresInMs } = await fetchToken(shared)
      const margin = Math.min(MAX_RENEWAL_MARGIN_MS, expiresInMs * RENEWAL_FRACTION)
      current = { value, renewAt: timing.now() + expiresInMs - margin }
      return value
    })

  const get = async (signal?: AbortSignal) =>
    current && timing.now() < current.renewAt ? current.value : renew(signal)

  return {
    get,
    async afterRefusal(refused, signal) {
      if (current?.value === refused) current = undefined
      return get(signal)
    },
  }
}
