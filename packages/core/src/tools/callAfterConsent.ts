import { LatchkeyError } from '../errors.ts'
import type { ConnectionState } from '../readiness/connectionState.ts'

/** What came of a wait: the user consented; nothing was lacking at its start; or there is no way to see it. */
export type Consent = 'given' | 'unchanged' | 'unseen'

/**
 * Makes a call that may be refused for want of the user's consent, and makes it again after the consent. A call that is
 * refused so was not carried out; one that was carried out, or may have been, is not made again.
 *
 * If the connections were ACTIVE all along and the call is refused even so, the user has to grant more than before: that
 * is waited for once, too.
 */
export async function callAfterConsent<T>(
  call: () => Promise<T>,
  consent: (connections: readonly ConnectionState[], more: boolean) => Promise<Consent>,
): Promise<T> {
  const first = await refusalOf(call)
  if ('result' in first) return first.result
  if ((await consent(first.refusal.connections, false)) === 'given') return await call()
  const second = await refusalOf(call)
  if ('result' in second) return second.result
  if ((await consent(second.refusal.connections, true)) !== 'given') throw second.refusal
  return await call()
}

async function refusalOf<T>(call: () => Promise<T>): Promise<{ result: T } | { refusal: LatchkeyError }> {
  try {
    return { result: await call() }
  } catch (error) {
    if (error instanceof LatchkeyError && error.code === 'authorization_required') return { refusal: error }
    throw error
  }
}
