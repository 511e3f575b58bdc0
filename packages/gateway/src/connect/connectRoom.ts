import type { Context } from 'hono'
import type { Connection, Credential } from '../domain.ts'
import type { GatewayError } from '../errors.ts'
import type { Accounts, Clock, LinkState, OAuth } from '../services.ts'
import type { createCookies } from './cookies.ts'
import type { Flows } from './flow.ts'
import type { createFormGuard } from './formGuard.ts'
import type { Answer } from './messages.ts'

/** Asks the upstream whether it takes what somebody has typed in. */
export type VerifyCredential = (
  connection: Connection,
  credential: Credential,
) => Promise<'accepted' | 'rejected' | 'unreachable'>

/** What may become of a link. */
export type ConsentStep = 'begun' | 'completed' | 'declined' | 'failed'

/** What the routes of this room share. */
export interface ConnectRoom {
  readonly accounts: Pick<Accounts, 'findLink' | 'activate'>
  readonly oauth: Pick<OAuth, 'complete'>
  readonly verifyCredential: VerifyCredential
  /** Gives a grant back to the server that made it. Never rejects. */
  readonly revoke: (connection: Connection, credential: Credential) => Promise<void>
  readonly flows: Flows
  readonly cookies: ReturnType<typeof createCookies>
  readonly formGuard: ReturnType<typeof createFormGuard>
  readonly appName: string
  readonly publicUrl: URL
  readonly clock: Clock
  readonly report: (error: GatewayError) => void
  /** Writes into the audit log what became of a link. Throws GatewayError `unavailable`. */
  readonly note: (link: LinkState, what: ConsentStep, reason?: string) => Promise<void>
  readonly say: (context: Context, answer: Answer) => Response | Promise<Response>
}
