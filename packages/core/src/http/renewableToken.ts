import type { Timing } from '../timing/timing.ts'
import { SingleFlight } from '../timing/singleFlight.ts'

export interface FetchedToken {
  readonly value: string
  readonly expiresInMs: number
}

/** A token that is fetched once for everybody, renewed before it ends, and never shown. */
export interface RenewableToken {
  /** Uses this one, got in passing, if it lasts longer than the one there is. */
  offer(token: FetchedToken): void
  get(signal?: AbortSignal): Promise<string>
  /** The one there is, or that is under way, no longer covers what it should: the next is fetched. */
  forget(): void
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
  let timesForgotten = 0

  const lasting = ({ value, expiresInMs }: FetchedToken) => {
    const margin = Math.min(MAX_RENEWAL_MARGIN_MS, expiresInMs * RENEWAL_FRACTION)
    return { value, renewAt: timing.now() + expiresInMs - margin }
  }

  const renew = (signal: AbortSignal | undefined) => {
    const asked = timesForgotten
    return flights.run(String(asked), signal, async (shared) => {
      const fetched = lasting(await fetchToken(shared))
      // One that was under way as it was forgotten is for those alone who waited for it.
      if (asked === timesForgotten) current = fetched
      return fetched.value
    })
  }

  const get = async (signal?: AbortSignal) =>
    current && timing.now() < current.renewAt ? current.value : renew(signal)

  return {
    offer(token) {
      const offered = lasting(token)
      if (!current || offered.renewAt > current.renewAt) current = offered
    },
    forget() {
      current = undefined
      timesForgotten += 1
    },
    get,
    async afterRefusal(refused, signal) {
      if (current?.value === refused) current = undefined
      return get(signal)
    },
  }
}
