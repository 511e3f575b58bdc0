import type { AccountEvent } from '../domain.ts'
import type { GuardedFetch, GuardedFetchInit, OAuth, RateLimits, Registry, Telemetry } from '../services.ts'

/** What goes out, as client spans. */
export function measuredFetch<Fetch extends GuardedFetch>(fetch: Fetch, telemetry: Telemetry): Fetch {
  const measured = async (input: string | URL, init: GuardedFetchInit = {}) =>
    await telemetry.sent(sentOf(input, init), async (traceparent) => await fetch(input, withTrace(init, traceparent)))
  const send: GuardedFetch['send'] = async (input, init = {}) =>
    await telemetry.sent(
      sentOf(input, init),
      async (traceparent) => await fetch.send(input, withTrace(init, traceparent)),
    )
  return Object.assign(measured, { ...fetch, send })
}

/** Refreshes, by connection and outcome. */
export function measuredOAuth(oauth: OAuth, telemetry: Telemetry): OAuth {
  return {
    ...oauth,
    refresh: async (connection, ...rest) =>
      await telemetry.refreshed(connection.name, async () => await oauth.refresh(connection, ...rest)),
  }
}

/** Refusals, by limit. */
export function measuredLimits(limits: RateLimits, telemetry: Telemetry): RateLimits {
  return {
    ...limits,
    async take(by, key) {
      const seconds = await limits.take(by, key)
      if (seconds !== undefined) telemetry.limited(by)
      return seconds
    },
  }
}

/** Status changes that this process has committed. */
export function measuredPublish(
  publish: (event: AccountEvent) => void,
  { registry, telemetry }: { registry: Pick<Registry, 'connection'>; telemetry: Telemetry },
): (event: AccountEvent) => void {
  return (event) => {
    telemetry.statusChanged(registry.connection(event.connectionId)?.name ?? 'unknown', event.status)
    publish(event)
  }
}

function sentOf(input: string | URL, { method = 'GET' }: GuardedFetchInit) {
  // What is no URL is refused by the guard, in its own words.
  const url = URL.canParse(String(input)) ? new URL(input) : new URL('https://invalid.invalid')
  return { method, url }
}

function withTrace(init: GuardedFetchInit, traceparent: string | undefined): GuardedFetchInit {
  if (traceparent === undefined) return init
  const headers = init.headers instanceof Headers ? Object.fromEntries(init.headers) : (init.headers ?? {})
  return { ...init, headers: { ...headers, traceparent } }
}
