import type { AuthorizationAttempt, Clock, LinkState, OAuth, Vault } from '../services.ts'
import type { AuthFlow, FlowStore } from '../store/store.ts'
import { FLOW_LIFE_SECONDS } from './cookies.ts'
import { isSame, randomToken, sha256 } from './digests.ts'

/** One attempt to authorize, between the redirect and the callback. Kept sealed: it holds the verifier and the link. */
interface SealedFlow {
  readonly attempt: AuthorizationAttempt
  readonly linkToken: string
  /** The person said that it may be another account than before. */
  readonly mayReplaceAccount?: boolean | undefined
}

export interface BegunFlow {
  readonly authorizationUrl: string
  readonly stateHash: string
  /** For the cookie. */
  readonly browserToken: string
  readonly exception: AuthorizationAttempt['exception']
}

export type FoundFlow =
  | ({ readonly kind: 'ready'; readonly stateHash: string } & SealedFlow)
  | { readonly kind: 'unknown' | 'other-browser' | 'expired' | 'used' }

export interface Flows {
  /** Undefined if the link went meanwhile, with its user or its account. */
  begin(begun: { link: LinkState; linkToken: string; mayReplaceAccount: boolean }): Promise<BegunFlow | undefined>
  /** Looks an attempt up without using it. */
  find(stateHash: string, browserToken: string | undefined): Promise<FoundFlow>
  /** True exactly once. */
  consume(stateHash: string): Promise<boolean>
}

export function createFlows({
  oauth,
  flows,
  vault,
  clock,
}: {
  oauth: Pick<OAuth, 'begin'>
  flows: FlowStore
  vault: Vault
  clock: Clock
}): Flows {
  function openFlow({ stateHash, sealedAttempt }: AuthFlow): SealedFlow {
    return JSON.parse(vault.open(sealedAttempt, sealContext(stateHash)))
  }
  return {
    async begin({ link, ...kept }) {
      const attempt = await oauth.begin(link.connection, link.scope)
      const stateHash = sha256(attempt.state)
      const browserToken = randomToken()
      const isCreated = await flows.create({
        stateHash,
        linkId: link.id,
        accountId: link.account.id,
        sealedAttempt: vault.seal(JSON.stringify({ attempt, ...kept } satisfies SealedFlow), sealContext(stateHash)),
        browserHash: sha256(browserToken),
        expiresAt: new Date(clock() + FLOW_LIFE_SECONDS * 1000),
      })
      if (!isCreated) return undefined
      const { authorizationUrl, exception } = attempt
      return { authorizationUrl, stateHash, browserToken, exception }
    },

    async find(stateHash, browserToken) {
      const flow = await flows.find(stateHash)
      if (!flow) return { kind: 'unknown' }
      if (browserToken === undefined || !isSame(sha256(browserToken), flow.browserHash))
        return { kind: 'other-browser' }
      if (flow.consumed) return { kind: 'used' }
      if (flow.expiresAt.getTime() <= clock()) return { kind: 'expired' }
      return { kind: 'ready', stateHash, ...openFlow(flow) }
    },

    consume: (stateHash) => flows.consume(stateHash),
  }
}

function sealContext(stateHash: string): readonly string[] {
  return ['auth_flows', stateHash, 'attempt']
}
