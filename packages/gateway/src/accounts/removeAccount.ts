import type { Credential } from '../domain.ts'
import type { Vault } from '../services.ts'
import type { Store, StoredAccount } from '../store/store.ts'
import type { RecordEvent } from './commit.ts'
import { keepForRevocation } from './pendingRevocations.ts'
import { openCredential } from './sealedCredential.ts'
import { openUnverified } from './verification.ts'

export interface RemoveAccountOptions {
  readonly vault: Vault
  readonly record: RecordEvent
  readonly at: Date
  /** Until then whoever removes it tells the authorization server; from then on anybody does. */
  readonly dueAt: Date
}

/** What had to be given back for an account: nothing, all that there was, or something that cannot be read any more. */
export type Removed = 'nothing' | 'kept' | 'unreadable'

/**
 * Removes an account with its links and flows, and keeps its grants for their servers to be told. Within a transaction
 * that has locked the user and read the account.
 */
export async function removeAccount(
  store: Store,
  account: StoredAccount,
  { vault, record, at, dueAt }: RemoveAccountOptions,
): Promise<Removed> {
  const credentials = await credentialsOf(store, vault, account)
  for (const credential of credentials) {
    if (credential !== 'unreadable') await keepForRevocation(store, vault, account, credential, dueAt)
  }
  await store.accounts.delete(account)
  if (account.status !== 'DISCONNECTED') await record(account, 'DISCONNECTED', at)
  if (credentials.includes('unreadable')) return 'unreadable'
  return credentials.some((credential) => credential !== 'unreadable' && credential.type === 'oauth2')
    ? 'kept'
    : 'nothing'
}

/** Its own, and those that wait for the app to verify its user. */
async function credentialsOf(
  store: Store,
  vault: Vault,
  account: StoredAccount,
): Promise<readonly (Credential | 'unreadable')[]> {
  const read = account.hasCredential ? await store.accounts.readCredential(account.id) : undefined
  const unverified = await store.verifications.ofAccount(account.id, account.userIdentifier)
  return [
    ...(read === undefined ? [] : [opened(() => openCredential(vault, read.account, read.sealed))]),
    ...unverified.map((pending) => opened(() => openUnverified(vault, pending))),
  ]
}

/** What cannot be opened any more hinders nobody from removing it. */
function opened(open: () => Credential): Credential | 'unreadable' {
  try {
    return open()
  } catch {
    return 'unreadable'
  }
}
