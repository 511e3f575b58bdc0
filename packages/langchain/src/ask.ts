import type { AuthorizationRequest } from '@latchkey/core'

import type { ApprovalInterrupt } from './approval.ts'

/** LangGraph's own `interrupt`, or what stands for it. */
export type Interrupt = (value: AuthorizationRequest | ApprovalInterrupt) => unknown

/** What a person decided. */
export interface Decision {
  readonly isApproved: boolean
  /** For the model. */
  readonly reason?: string | undefined
}

/** An `interrupt` of one's own that never throws must not go round for ever. */
const MAX_ANSWERS = 1_000

/**
 * Stops the run until it is resumed: LangGraph then runs the step from its beginning, and with it the call. That comes
 * here again only if what is asked is still open. Answers are given back in the order in which they came, whatever was
 * asked: those that `read` makes nothing of, because they answered something else or too soon, are passed over.
 *
 * @returns `impossible` where the run cannot be stopped: there is no checkpointer, or no graph.
 */
export function ask<A>(
  interrupt: Interrupt,
  question: Parameters<Interrupt>[0],
  read: (answer: unknown) => A | undefined,
): A | 'impossible' {
  try {
    for (let answers = 0; answers < MAX_ANSWERS; answers += 1) {
      const answer = read(interrupt(question))
      if (answer !== undefined) return answer
    }
    return 'impossible'
  } catch (error) {
    // What LangGraph stops a run with; anything else says that it cannot.
    if (typeof error === 'object' && error !== null && 'is_bubble_up' in error) throw error
    return 'impossible'
  }
}

/** `approved` and `declined`, or the same in the words of LangChain's `humanInTheLoopMiddleware`; undefined if neither. */
export function decisionIn(answer: unknown): Decision | undefined {
  if (answer === 'approved') return { isApproved: true }
  if (answer === 'declined') return { isApproved: false }
  if (typeof answer !== 'object' || answer === null) return undefined
  if ('decisions' in answer) {
    const { decisions } = answer
    return Array.isArray(decisions) && decisions.length === 1 ? decisionIn(decisions[0]) : undefined
  }
  if (!('type' in answer)) return undefined
  if (answer.type === 'approve') return { isApproved: true }
  const reason = 'message' in answer && typeof answer.message === 'string' ? answer.message : undefined
  return answer.type === 'reject' ? { isApproved: false, reason } : undefined
}
