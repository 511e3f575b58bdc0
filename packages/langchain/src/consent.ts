import type { LatchkeyError } from '@latchkey/core'

/** What an interrupt holds: for whoever shows it to the user. The links are in the checkpoint, too. */
export interface AuthorizationInterrupt {
  readonly type: 'authorization_required'
  readonly userIdentifier: string
  /** The tool that is called again when the run is resumed; absent where the tools themselves could not be had. */
  readonly tool?: string
  readonly connections: readonly {
    readonly connectionName: string
    readonly authenticationLink: string | undefined
    /** ISO 8601. */
    readonly expiresAt: string | undefined
  }[]
}

/** LangGraph's own `interrupt`, or what stands for it. */
export type Interrupt = (value: AuthorizationInterrupt) => unknown

/**
 * Stops the run until it is resumed: LangGraph then runs the step from its beginning, and with it the call. That comes
 * here a second time only if consent is still wanting; what the run was resumed with before is then passed over, and it
 * stops once more. It returns where the run cannot be stopped (no checkpointer), and where the user declined.
 */
export function interruptFor(
  interrupt: Interrupt,
  { connections }: LatchkeyError,
  about: Pick<AuthorizationInterrupt, 'userIdentifier' | 'tool'>,
): 'declined' | 'impossible' {
  const value: AuthorizationInterrupt = {
    type: 'authorization_required',
    ...about,
    connections: connections.map(({ connectionName, authenticationLink, authenticationLinkExpiresAt }) => ({
      connectionName,
      authenticationLink,
      expiresAt: authenticationLinkExpiresAt?.toISOString(),
    })),
  }
  try {
    for (let answers = 0; answers < MAX_ANSWERS; answers += 1) if (interrupt(value) === 'declined') return 'declined'
    return 'impossible'
  } catch (error) {
    // What LangGraph stops a run with; anything else says that there is no checkpointer, or no graph.
    if (typeof error === 'object' && error !== null && 'is_bubble_up' in error) throw error
    return 'impossible'
  }
}

/** An `interrupt` of one's own that never throws must not go round for ever. */
const MAX_ANSWERS = 1_000
