import { isAuthorizationRequired, type ConnectionState, type LatchkeyError } from '@latchkey/core'
import type { ModelMessage, StepResult, StopCondition, ToolSet } from 'ai'

/** What a run has stopped for. */
export interface PendingAuthorization {
  /** What the user has to authorize, with links. */
  readonly connections: readonly ConnectionState[]
  /** The calls that were refused for want of it. Nothing of them was carried out. */
  readonly toolCallIds: readonly string[]
}

// Whatever the tools are: only what all of them have in common is read.
// oxlint-disable-next-line typescript/no-explicit-any
type Steps = readonly Pick<StepResult<any, any>, 'content'>[]
type Content = Steps[number]['content'][number]

const refusals = new WeakMap<object, LatchkeyError>()

/** Remembers what a request for approval stands for: the refusal itself is not in the content any more. */
export function rememberRefusal(request: object, refusal: LatchkeyError): void {
  refusals.set(request, refusal)
}

/**
 * A stop condition: ends the run after the step in which a call needed the user's consent, so that the links can be shown.
 *
 * @example
 * const result = await generateText({ model, tools, prompt, stopWhen: [isStepCount(10), stopOnAuthorization] })
 */
export const stopOnAuthorization: StopCondition<ToolSet> = ({ steps }) => pendingAuthorization({ steps }) !== undefined

/**
 * What the last step of a run lacked the user's consent for; undefined if nothing.
 *
 * @example
 * const pending = pendingAuthorization({ steps: await result.steps })
 * if (pending) show(pending.connections)
 */
export function pendingAuthorization({ steps }: { steps: Steps }): PendingAuthorization | undefined {
  const refused = (steps.at(-1)?.content ?? []).flatMap(refusedCall)
  if (refused.length === 0) return undefined
  const connections = new Map(refused.flatMap((call) => call.connections.map((state) => [state.connectionName, state])))
  return { connections: [...connections.values()], toolCallIds: refused.map(({ toolCallId }) => toolCallId) }
}

function refusedCall(part: Content): { toolCallId: string; connections: readonly ConnectionState[] }[] {
  if (part.type === 'tool-approval-request') {
    const refusal = refusals.get(part)
    return refusal ? [{ toolCallId: part.toolCall.toolCallId, connections: refusal.connections }] : []
  }
  if (part.type !== 'tool-error' || !isAuthorizationRequired(part.error)) return []
  return [{ toolCallId: part.toolCallId, connections: part.error.connections }]
}

/**
 * The messages of a run that stopped for consent, such that the next run makes the refused calls again, with the same
 * arguments and before the model is asked: their errors are taken out, and they count as approved. In whatever process.
 *
 * @param messages - All of them: those that the run began with, and its `responseMessages`.
 * @param toolCallIds - Of `pendingAuthorization`.
 * @example
 * await generateText({ model, tools, messages: callAgain(messages, toolCallIds), stopWhen: isStepCount(10) })
 */
export function callAgain(messages: readonly ModelMessage[], toolCallIds: readonly string[]): ModelMessage[] {
  if (toolCallIds.length === 0) return [...messages]
  const again = new Set(toolCallIds)
  const approvals = toolCallIds.map((toolCallId) => ({ toolCallId, approvalId: `latchkey-${toolCallId}` }))
  const kept = messages.flatMap((message): ModelMessage[] => {
    if (message.role === 'tool') {
      const content = message.content.filter((part) => part.type !== 'tool-result' || !again.has(part.toolCallId))
      return content.length > 0 ? [{ ...message, content }] : []
    }
    if (message.role !== 'assistant' || typeof message.content === 'string') return [message]
    const called = new Set(message.content.flatMap((part) => (part.type === 'tool-call' ? [part.toolCallId] : [])))
    const requests = approvals
      .filter(({ toolCallId }) => called.has(toolCallId))
      .map(({ toolCallId, approvalId }) => ({ type: 'tool-approval-request' as const, toolCallId, approvalId }))
    return [{ ...message, content: [...message.content, ...requests] }]
  })
  const responses = approvals.map(({ approvalId }) => ({
    type: 'tool-approval-response' as const,
    approvalId,
    approved: true,
  }))
  const last = kept.at(-1)
  // The results of calls beside them are in the same message, because only the last one is looked at.
  return last?.role === 'tool'
    ? [...kept.slice(0, -1), { ...last, content: [...last.content, ...responses] }]
    : [...kept, { role: 'tool', content: responses }]
}
