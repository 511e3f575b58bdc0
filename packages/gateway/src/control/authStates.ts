import type { WireConnectionAuthState } from '@latchkey/core/wire'
import type { AccountOfConnection, Accounts } from '../services.ts'
import type { ToWire } from './toWire.ts'

export interface AuthStatesOptions {
  readonly accounts: Pick<Accounts, 'createLink'>
  readonly toWire: Pick<ToWire, 'authState'>
}

/** The state of every connection and, if asked, a fresh link for each that the user still has to connect. */
export function createAuthStates({ accounts, toWire }: AuthStatesOptions) {
  return async (
    states: readonly AccountOfConnection[],
    { includeLinks, clientId }: { includeLinks: boolean; clientId?: string } = { includeLinks: false },
  ): Promise<WireConnectionAuthState[]> => {
    const result: WireConnectionAuthState[] = []
    for (const state of states) {
      const link =
        includeLinks && isConnectable(state) ? await accounts.createLink(state.account, { clientId }) : undefined
      result.push(toWire.authState(state, link))
    }
    return result
  }
}

export type AuthStates = ReturnType<typeof createAuthStates>

function isConnectable({ connection, account }: AccountOfConnection): boolean {
  return account.status !== 'ACTIVE' && connection.auth.type !== 'none'
}
