import { LatchkeyError } from '../errors.ts'
import type { ConnectionState } from '../readiness/connectionState.ts'

/** What came of a wait: the user consented; or nothing was lacking at its start. */
export type Consent = 'given' | 'unchanged'

/** How a call waits that was refused for want of these connections. */
export interface ConsentWaiting {
  /** Until the user has authorized them. */
  consent(required: readonly ConnectionState[]): Promise<Consent>
  /**
   * Where they are ACTIVE, and the user has to grant more: yields whenever that may be done. Ends when nothing more can
   * tell it.
   */
  grantChances(required: readonly ConnectionState[]): AsyncIterable<void>
}

/**
 * Makes a call that may be refused for want of the user's consent, and makes it again after the consent. A call that is
 * refused so was not carried out; one that was carried out, or may have been, is not made again.
 *
 * If the connections were ACTIVE all along and the call is refused even so, the user has to grant more than before: that
 * is waited for once, too.
 */
export async function callAfterConsent<T>(call: () => Promise<T>, waiting: ConsentWaiting): Promise<T> {
  const first = await refusalOf(call)
  if ('result' in first) return first.result
  if ((await waiting.consent(first.refusal.connections)) === 'given') return await call()
  const second = await refusalOf(call)
  if ('result' in second) return second.result
  let { refusal } = second
  for await (const _ of waiting.grantChances(refusal.connections)) {
    const again = await refusalOf(call)
    if ('result' in again) return again.result
    refusal = again.refusal
  }
  throw refusal
}

async function refusalOf<T>(call: () => Promise<T>): Promise<{ result: T } | { refusal: LatchkeyError }> {
  try {
    return { result: await call() }
  } catch (error) {
    if (error instanceof LatchkeyError && error.code === 'authorization_required') return { refusal: error }
    throw error
  }
}
