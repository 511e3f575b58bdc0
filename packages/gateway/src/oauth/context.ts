import type { OutboundPolicy } from '../http/outboundPolicy.ts'
import type { Clock, GuardedFetch, Vault } from '../services.ts'
import type { RegistrationStore } from '../store/store.ts'

/** What every step of the flow needs. */
export interface OAuthContext {
  readonly fetch: GuardedFetch
  readonly policy: OutboundPolicy
  readonly registrations: RegistrationStore
  readonly vault: Vault
  readonly clock: Clock
  readonly redirectUri: string
  /** What an authorization server shows for us where we register dynamically. */
  readonly clientName: string
  /** http is allowed towards loopback, and only there: `fetch` and `policy` see to that. */
  readonly allowLoopback: boolean
}
