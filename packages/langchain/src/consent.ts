import { authorizationRequest, type AuthorizationRequest, type LatchkeyError } from '@latchkey/core'

/** LangGraph's own `interrupt`, or what stands for it. */
export type Interrupt = (value: AuthorizationRequest) => unknown

/**
 * Stops the run until it is resumed: LangGraph then runs the step from its beginning, and with it the call. That comes
 * here a second time only if consent is still wanting; what the run was resumed with before is then passed over, and it
 * stops once more. It returns where the run cannot be stopped (no checkpointer), and where the user declined.
 */
export function interruptFor(
  interrupt: Interrupt,
  error: LatchkeyError,
  about: Pick<AuthorizationRequest, 'userIdentifier' | 'tool'>,
): 'declined' | 'impossible' {
  const value = authorizationRequest(error, about)
  try {
    for (let answers = 0; answers < MAX_ANSWERS; answers += 1) if (interrupt(value) === 'declined') return 'declined'
    return 'impossible'
  } catch (stop) {
    // What LangGraph stops a run with; anything else says that there is no checkpointer, or no graph.
    if (typeof stop === 'object' && stop !== null && 'is_bubble_up' in stop) throw stop
    return 'impossible'
  }
}

/** An `interrupt` of one's own that never throws must not go round for ever. */
const MAX_ANSWERS = 1_000
