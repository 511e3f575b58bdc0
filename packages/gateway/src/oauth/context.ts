import type { OutboundPolicy } from '../http/outboundPolicy.ts'
import type { Connection, OAuthConnectionAuth } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Clock, GuardedFetch, Vault } from '../services.ts'
import type { RegistrationStore } from '../store/store.ts'
import type { OurAddresses } from './ourAddresses.ts'

/** What every step of the flow needs. */
export interface OAuthContext {
  readonly fetch: GuardedFetch
  readonly policy: OutboundPolicy
  readonly registrations: RegistrationStore
  readonly vault: Vault
  readonly clock: Clock
  readonly addresses: OurAddresses
  /** What an authorization server shows for us where we are not registered in advance. */
  readonly clientName: string
  /** http is allowed towards loopback, and only there: `fetch` and `policy` see to that. */
  readonly allowLoopback: boolean
}

/** How the connection authorizes. Throws GatewayError `internal` where that is not by OAuth. */
export function oauthOf({ auth, name }: Connection): OAuthConnectionAuth {
  if (auth.type !== 'oauth2') throw new GatewayError('internal', `${name} does not use OAuth.`)
  return auth
}
