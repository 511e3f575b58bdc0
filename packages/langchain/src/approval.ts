import { needsApproval, type ApprovalPolicy, type UserTool } from '@latchkey/core'

import { ask, decisionIn, type Interrupt } from './ask.ts'

type Arguments = Record<string, unknown>

/**
 * What an interrupt holds for whoever decides about a call. It is a `HITLRequest` of LangChain's
 * `humanInTheLoopMiddleware`, too, so that whatever shows those can show it. The arguments cannot be edited: what the
 * model is told that it called would not be what was carried out.
 */
export interface ApprovalInterrupt {
  readonly type: 'approval_required'
  readonly userIdentifier: string
  readonly tool: string
  readonly args: Arguments
  readonly actionRequests: [{ name: string; args: Arguments; description: string }]
  readonly reviewConfigs: [{ actionName: string; allowedDecisions: ['approve', 'reject'] }]
}

interface ApprovalOptions {
  readonly approve?: ApprovalPolicy | undefined
  readonly interrupt?: Interrupt | undefined
  readonly userIdentifier: string
}

/**
 * Has a person approve the call where that is needed: stops the run until it is resumed with a decision.
 *
 * @returns undefined if the call may be made; else what to tell the model.
 */
export async function refusalOf(
  userTool: UserTool,
  args: Arguments,
  { approve, interrupt, userIdentifier }: ApprovalOptions,
): Promise<string | undefined> {
  const { name, description } = userTool
  const notCalled = (why: string) => `tool ${JSON.stringify(name)} was not called: ${why}`
  try {
    if (!(await needsApproval(userTool, args, { approve }))) return undefined
  } catch {
    // Its words are the app's own, and not for the model.
    return notCalled('it could not be decided whether a person has to approve it')
  }
  const question: ApprovalInterrupt = {
    type: 'approval_required',
    userIdentifier,
    tool: name,
    args,
    actionRequests: [{ name, args, description }],
    reviewConfigs: [{ actionName: name, allowedDecisions: ['approve', 'reject'] }],
  }
  const decision = interrupt ? ask(interrupt, question, decisionIn) : 'impossible'
  if (decision === 'impossible') return notCalled('a person has to approve it, and cannot be asked in this run')
  if (decision.isApproved) return undefined
  return notCalled(decision.reason === undefined ? 'the user declined it' : `the user declined it: ${decision.reason}`)
}

/** @throws {TypeError} when there is no way to ask, before there are tools that could not be called. */
export function checkCanAsk({ approve, interrupt }: Omit<ApprovalOptions, 'userIdentifier'>): void {
  if (approve !== undefined && !interrupt)
    throw new TypeError('`approve` needs `interrupt`, with which LangGraph stops a run until somebody decides')
}
