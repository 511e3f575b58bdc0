import type { Credential } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { ConnectRoom } from './connectRoom.ts'
import type { OutcomeName } from './outcomes.ts'

/**
 * Keeps what the provider or the person gave. Where another link was faster, the page says what came of it; where the
 * account was changed at the same moment, nothing was kept and the link still works: `interrupted`.
 */
export async function keepCredential(
  { accounts, report }: Pick<ConnectRoom, 'accounts' | 'report'>,
  linkId: string,
  credential: Credential,
): Promise<OutcomeName | undefined> {
  try {
    await accounts.activate(linkId, credential)
    return undefined
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'conflict') throw error
    report(error)
    return 'interrupted'
  }
}
