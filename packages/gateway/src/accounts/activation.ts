import type { ConnectedAccount, Credential } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Accounts, Clock, Vault } from '../services.ts'
import type { AuthLink, Store, StoredAccount } from '../store/store.ts'
import type { Commit } from './commit.ts'
import { changedMeanwhile, type MakeActive } from './makeActive.ts'
import { hasOpenScopeRequest } from './scopeRequests.ts'
import { openCredential } from './sealedCredential.ts'
import type { Verification } from './verification.ts'

export interface ActivationOptions {
  readonly vault: Vault
  readonly commit: Commit
  readonly clock: Clock
  readonly verification: Verification
}

/** What becomes of a credential that a provider or a person gave: the account is ACTIVE, or waits for the app's word. */
export function createActivation(
  { vault, commit, clock, verification }: ActivationOptions,
  makeActive: MakeActive,
): Pick<Accounts, 'activate'> {
  return {
    activate: (linkId, credential, { mayReplaceAccount = false } = {}) =>
      commit(async (inner, { record }) => {
        const found = await accountOf(inner, linkId)
        if (found === undefined || !(await inner.links.consume(linkId, new Date(clock())))) return false
        const { link, account } = found
        // Somebody else finished meanwhile, with another link: theirs stays.
        if (account.status === 'ACTIVE' && !(await hasOpenScopeRequest(inner, account))) throw changedMeanwhile()
        if (!mayReplaceAccount) await refuseOtherAccount(inner, account, credential)
        if (verification.appliesTo(link)) return await verification.begin(inner, record, { link, account, credential })
        await makeActive(inner, record, account, credential)
        return true
      }),
  }

  /** Nobody is signed in as somebody else by mistake: what the agent sees would change under its feet (security T34). */
  async function refuseOtherAccount(inner: Store, account: StoredAccount, credential: Credential): Promise<void> {
    const read = account.hasCredential ? await inner.accounts.readCredential(account.id) : undefined
    if (read === undefined || !isOtherSubject(opened(read.account, read.sealed), credential)) return
    throw new GatewayError('precondition', 'This is another account than the one that was connected before.')
  }

  /** One that cannot be opened any more hinders nobody from connecting anew. */
  function opened(account: ConnectedAccount, sealed: Uint8Array): Credential | undefined {
    try {
      return openCredential(vault, account, sealed)
    } catch {
      return undefined
    }
  }
}

/** Locks the user before anything is written, as a revocation does: else the two could wait for each other for ever. */
async function accountOf(
  store: Store,
  linkId: string,
): Promise<{ link: AuthLink; account: StoredAccount } | undefined> {
  const link = await store.links.get(linkId)
  const before = link && (await store.accounts.get(link.accountId))
  if (link === undefined || before === undefined) return undefined
  await store.lockUser(before.userIdentifier)
  const account = await store.accounts.get(link.accountId)
  return account && { link, account }
}

/** Known only where the authorization server says who signed in, with both grants. */
function isOtherSubject(before: Credential | undefined, now: Credential): boolean {
  if (before?.type !== 'oauth2' || now.type !== 'oauth2' || before.issuer !== now.issuer) return false
  return before.subject !== undefined && now.subject !== undefined && before.subject !== now.subject
}
