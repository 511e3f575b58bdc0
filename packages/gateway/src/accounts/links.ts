import type { ConnectedAccount } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { Secret } from '../secret.ts'
import type { Accounts, Clock, LinkState, Registry, Vault } from '../services.ts'
import { newId } from '../store/newId.ts'
import type { AuthLink, Store } from '../store/store.ts'
import { revokedMeanwhile } from './unlessRevoked.ts'
import type { ScopeRequests } from './scopeRequests.ts'
import { hashLinkToken, newLinkToken, sealLinkState } from './linkTokens.ts'

export interface LinksOptions {
  readonly store: Store
  readonly vault: Vault
  readonly registry: Registry
  readonly publicUrl: URL
  readonly clock: Clock
  readonly lifetimeMs: number
  readonly scopeRequests: Pick<ScopeRequests, 'wanted'>
}

/** The links that a user opens to connect an account. */
export function createLinks({
  store,
  vault,
  registry,
  publicUrl,
  clock,
  lifetimeMs,
  scopeRequests,
}: LinksOptions): Pick<Accounts, 'createLink' | 'findLink'> {
  return {
    async createLink(account, { clientId, verifyUrl, state } = {}) {
      refuseUnconnectable(account)
      const token = newLinkToken()
      const createdAt = new Date(clock())
      const expiresAt = new Date(createdAt.getTime() + lifetimeMs)
      const tokenHash = hashLinkToken(token.reveal()) ?? ''
      const id = newId('lnk')
      const sealedState = state === undefined ? undefined : sealLinkState(vault, id, state)
      const link = { id, accountId: account.id, tokenHash, createdAt, expiresAt, clientId, verifyUrl, sealedState }
      await store.transaction(async (inner) => {
        if ((await inner.accounts.get(account.id)) === undefined) throw revokedMeanwhile()
        await inner.links.insert(link)
      })
      return { url: new Secret(`${publicUrl.origin}/connect/${token.reveal()}`), expiresAt }
    },

    async findLink(token) {
      const tokenHash = hashLinkToken(token)
      const link = tokenHash === undefined ? undefined : await store.links.findByTokenHash(tokenHash)
      const account = link && (await store.accounts.get(link.accountId))
      const connection = account && registry.connection(account.connectionId)
      if (link === undefined || account === undefined || connection === undefined) return undefined
      const scope = connection.auth.type === 'oauth2' ? await scopeRequests.wanted(account) : undefined
      return {
        id: link.id,
        account,
        connection,
        state: stateOf(link),
        expiresAt: link.expiresAt,
        ...(scope && { scope }),
      }
    },
  }

  function refuseUnconnectable(account: ConnectedAccount): void {
    const connection = registry.connection(account.connectionId)
    if (connection === undefined)
      throw new GatewayError('not_found', 'The connection of this account is not configured.')
    if (connection.auth.type !== 'none') return
    throw new GatewayError('invalid_request', `The connection "${connection.name}" needs no authorization.`)
  }

  function stateOf(link: AuthLink): LinkState['state'] {
    if (link.usedAt !== undefined) return 'used'
    return link.expiresAt.getTime() <= clock() ? 'expired' : 'open'
  }
}
