import * as oauth from 'oauth4webapi'
import type { GuardedFetchInit } from '../services.ts'
import type { OAuthContext } from './context.ts'

/** The longest that one request of the flow may take, in milliseconds, however slowly its bytes trickle in. */
export const REQUEST_DEADLINE_MS = 20_000

/** The options that send the protocol library's requests through the guarded fetch. */
export function protocolRequest({ fetch, allowLoopback }: OAuthContext): {
  [oauth.customFetch]: (url: string, init: GuardedFetchInit) => Promise<Response>
  [oauth.allowInsecureRequests]: boolean
  signal: AbortSignal
} {
  return {
    [oauth.customFetch]: (url, init) => fetch(url, init),
    [oauth.allowInsecureRequests]: allowLoopback,
    signal: AbortSignal.timeout(REQUEST_DEADLINE_MS),
  }
}
