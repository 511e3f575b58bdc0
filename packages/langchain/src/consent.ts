import { authorizationRequest, type AuthorizationRequest, type LatchkeyError } from '@latchkey/core'

import { ask, decisionIn, type Interrupt } from './ask.ts'

/**
 * Stops the run for the user's consent. The call is made again when the run is resumed; it comes here a second time only
 * if consent is still wanting, and the run then stops once more. It returns where the run cannot be stopped, and where
 * the user declined.
 */
export function interruptFor(
  interrupt: Interrupt,
  error: LatchkeyError,
  about: Pick<AuthorizationRequest, 'userIdentifier' | 'tool'>,
): 'declined' | 'impossible' {
  const question = authorizationRequest(error, about)
  return ask(interrupt, question, (answer) => (decisionIn(answer)?.isApproved === false ? 'declined' : undefined))
}
