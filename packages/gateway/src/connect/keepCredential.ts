import type { Credential } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { LinkState } from '../services.ts'
import type { ConnectRoom } from './connectRoom.ts'
import { pathOf } from './linkPath.ts'
import type { OutcomeName } from './outcomes.ts'

export interface GivenCredential {
  readonly token: string
  readonly link: LinkState
  readonly credential: Credential
  /** The person said that it may be another account than before. */
  readonly mayReplaceAccount: boolean
  /** What is worth writing down of it. */
  readonly remark?: string | undefined
}

/**
 * Keeps what the provider or the person gave, and gives the address to go on to: the app's, where it has to verify its
 * user; else the link's page, which says what came of it. Where nothing was kept, the link still works.
 */
export async function keepCredential(
  room: Pick<ConnectRoom, 'accounts' | 'revoke' | 'report' | 'note'>,
  { token, link, credential, mayReplaceAccount, remark }: GivenCredential,
): Promise<string> {
  try {
    const kept = await room.accounts.activate(link.id, credential, { mayReplaceAccount })
    // The link went with its user, or with the account, while the person was away: nobody has the credential now.
    if (kept === false && (await room.accounts.findLink(token)) === undefined) {
      await room.note(link, 'failed', 'interrupted')
      await room.revoke(link.connection, credential)
      return pathOf(token)
    }
    // Used, or expired, in another tab meanwhile: what the page says now is true, and nothing was connected by this.
    await (kept === false ? room.note(link, 'failed', 'interrupted') : room.note(link, 'completed', remark))
    return typeof kept === 'object' ? kept.verifyAt.reveal() : pathOf(token)
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    const outcome = outcomeOf(error)
    if (outcome === undefined) throw error
    room.report(error)
    await room.note(link, 'failed', outcome)
    // Nobody has it now; where it is another person's, it is given back too.
    if (outcome === 'other-account') await room.revoke(link.connection, credential)
    return pathOf(token, outcome)
  }
}

function outcomeOf({ code }: GatewayError): OutcomeName | undefined {
  if (code === 'conflict') return 'interrupted'
  return code === 'precondition' ? 'other-account' : undefined
}
