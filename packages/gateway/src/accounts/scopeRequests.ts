import type { ConnectedAccount, Credential } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Accounts, Clock, Vault, WantedScope } from '../services.ts'
import type { Store } from '../store/store.ts'
import { openCredential } from './sealedCredential.ts'

export interface ScopeRequestsOptions {
  readonly store: Store
  readonly vault: Vault
  readonly clock: Clock
}

/** After so many consents that did not help, a refusal for the same scope is taken for final (MCP, "Step-Up"). */
const MAX_CONSENTS = 3
const FORGET_CONSENTS_MS = 60 * 60_000
const MAX_SCOPES = 64

export interface ScopeRequests extends Pick<Accounts, 'requestScope'> {
  /** What a consent to this account has to ask for, while its upstream waits for more; else undefined. */
  wanted(account: ConnectedAccount): Promise<WantedScope | undefined>
}

/**
 * What upstreams want beyond what was granted ("step-up authorization"). It is kept with the account, so that whoever
 * makes the link, the agent's endpoint or the app, the consent asks for it.
 */
export function createScopeRequests({ store, vault, clock }: ScopeRequestsOptions): ScopeRequests {
  return {
    async requestScope(account, challenged) {
      const granted = await grantedOf(account)
      const missing = difference(challenged, granted)
      if (missing.length === 0 && challenged !== '') throw inVain()
      await store.transaction(async (inner) => {
        const known = await inner.scopeRequests.get(account.id)
        const now = clock()
        const isSame = known !== undefined && difference(missing.join(' '), known.scope).length === 0
        const isRecent = known !== undefined && now - known.requestedAt.getTime() < FORGET_CONSENTS_MS
        if (known?.isOpen === true && isSame) return
        const consents = isSame && isRecent ? known.consents : 0
        if (consents >= MAX_CONSENTS) throw inVain()
        const open = known?.isOpen === true ? known.scope : ''
        const scope = union(open, missing.join(' '))
        const { id: accountId, userIdentifier } = account
        const requestedAt = isSame && isRecent ? known.requestedAt : new Date(now)
        // Somebody has removed the account meanwhile.
        if ((await inner.accounts.get(accountId)) === undefined) return
        await inner.scopeRequests.put({ accountId, userIdentifier, scope, isOpen: true, consents, requestedAt })
      })
    },

    async wanted(account) {
      const request = await store.scopeRequests.get(account.id)
      if (request?.isOpen !== true) return undefined
      return { granted: await grantedOf(account), needed: request.scope }
    },
  }

  /** What cannot be opened any more grants nothing. */
  async function grantedOf({ id }: ConnectedAccount): Promise<string | undefined> {
    const read = await store.accounts.readCredential(id)
    if (read === undefined) return undefined
    try {
      return scopeOf(openCredential(vault, read.account, read.sealed))
    } catch {
      return undefined
    }
  }
}

/** Whether a consent to an ACTIVE account is waited for. */
export async function hasOpenScopeRequest(store: Store, { id }: ConnectedAccount): Promise<boolean> {
  return (await store.scopeRequests.get(id))?.isOpen === true
}

/** Notes in the consent's transaction that the user has answered. */
export async function answerScopeRequest(store: Store, { id }: ConnectedAccount): Promise<void> {
  const request = await store.scopeRequests.get(id)
  if (request?.isOpen !== true) return
  await store.scopeRequests.put({ ...request, isOpen: false, consents: request.consents + 1 })
}

/** Each once, in the order in which they come. */
function union(...scopes: readonly string[]): string {
  return [...new Set(scopes.flatMap(listOf))].slice(0, MAX_SCOPES).join(' ')
}

function difference(scope: string, other = ''): readonly string[] {
  const known = new Set(listOf(other))
  return listOf(scope).filter((each) => !known.has(each))
}

function listOf(scope: string): readonly string[] {
  return scope.split(' ').filter((each) => each !== '')
}

function scopeOf(credential: Credential): string | undefined {
  return credential.type === 'oauth2' ? credential.scope : undefined
}

function inVain(): GatewayError {
  return new GatewayError('precondition', 'Its user has granted what was asked for, and it is refused all the same.')
}
