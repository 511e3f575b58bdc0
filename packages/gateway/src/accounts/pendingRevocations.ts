import type { ConnectedAccount, Credential } from '../domain.ts'
import type { Vault } from '../services.ts'
import { newId } from '../store/newId.ts'
import type { PendingRevocation, Store } from '../store/store.ts'

/**
 * Keeps a grant that nobody may use any more until its server has been told, so that a process that is killed meanwhile
 * forgets nothing. Within the transaction that removes the account. Other credentials cannot be given back.
 */
export async function keepForRevocation(
  store: Pick<Store, 'pendingRevocations'>,
  vault: Vault,
  account: Pick<ConnectedAccount, 'id' | 'userIdentifier' | 'connectionId'>,
  credential: Credential,
  dueAt: Date,
): Promise<void> {
  if (credential.type !== 'oauth2') return
  const { id: accountId, userIdentifier, connectionId } = account
  const ids = { id: newId('rev'), accountId, userIdentifier, connectionId }
  const sealedCredential = vault.seal(JSON.stringify(credential), contextOf(ids))
  await store.pendingRevocations.insert({ ...ids, sealedCredential, dueAt })
}

/** Throws GatewayError `internal` if the bytes are not what was sealed for exactly this row. */
export function openPending(vault: Vault, pending: PendingRevocation): Credential {
  return JSON.parse(vault.open(pending.sealedCredential, contextOf(pending)))
}

function contextOf({ id, userIdentifier }: Pick<PendingRevocation, 'id' | 'userIdentifier'>): readonly string[] {
  return ['pending_revocations', id, userIdentifier, 'sealed_credential']
}
