import { LatchkeyError, needsApproval, type ApprovalPolicy, type UserTool } from '@latchkey/core'
import type { ModelMessage } from 'ai'

interface Call {
  readonly toolCallId: string
  readonly messages: readonly ModelMessage[]
}

/**
 * Makes sure that a call that a person has to approve was approved. The AI SDK asks, by the tool's `needsApproval`; but a
 * `toolApproval` function of the run takes its place, and may know nothing of it.
 *
 * @throws {LatchkeyError} `rejected` if it was not. Whatever the policy throws.
 */
export async function checkApproved(
  userTool: UserTool,
  args: Record<string, unknown>,
  call: Call,
  options: { readonly approve?: ApprovalPolicy | undefined },
): Promise<void> {
  if (options.approve === undefined || isApproved(call) || !(await needsApproval(userTool, args, options))) return
  const tool = JSON.stringify(userTool.name)
  throw new LatchkeyError('rejected', `tool ${tool} was not called: a person has to approve it, and was not asked`)
}

function isApproved({ toolCallId, messages }: Call): boolean {
  const asked = new Set<string>()
  const approved = new Set<string>()
  for (const { content } of messages) {
    if (typeof content === 'string') continue
    for (const part of content) {
      if (part.type === 'tool-approval-request' && part.toolCallId === toolCallId) asked.add(part.approvalId)
      if (part.type === 'tool-approval-response' && part.approved) approved.add(part.approvalId)
    }
  }
  return [...asked].some((approvalId) => approved.has(approvalId))
}
