import type { ConnectedAccount, Credential } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Clock, Vault } from '../services.ts'
import type { Store } from '../store/store.ts'
import type { RecordEvent } from './commit.ts'
import { answerScopeRequest } from './scopeRequests.ts'
import { sealCredential } from './sealedCredential.ts'

/** Writes a credential and the status ACTIVE, with the event of it. Throws `conflict` if somebody was faster. */
export type MakeActive = (
  store: Store,
  record: RecordEvent,
  account: ConnectedAccount,
  credential: Credential,
) => Promise<void>

export function createMakeActive({ vault, clock }: { vault: Vault; clock: Clock }): MakeActive {
  return async (store, record, account, credential) => {
    const { id, userIdentifier, generation } = account
    const at = new Date(clock())
    const sealed = sealCredential(vault, account, generation + 1, credential)
    // Undoes the use of the link too: the person can try again.
    if (!(await store.accounts.setCredential({ id, userIdentifier, generation }, { sealed, status: 'ACTIVE', at })))
      throw changedMeanwhile()
    await answerScopeRequest(store, account)
    await record(account, 'ACTIVE', at)
  }
}

export function changedMeanwhile(): GatewayError {
  return new GatewayError('conflict', 'The account was changed at the same moment. Try again.')
}
