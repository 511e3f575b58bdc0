import { isAuthorizationRequired, type LatchkeyError } from '@latchkey/core'
import {
  isStepCount,
  type ModelMessage,
  type PrepareStepFunction,
  type StopCondition,
  type StreamTextTransform,
  type TextStreamPart,
  type ToolSet,
  type TypedToolCall,
} from 'ai'

import { rememberRefusal, stopOnAuthorization } from './authorization.ts'
import { refreshTools } from './refreshTools.ts'
import { silentModel } from './silentModel.ts'
import { stateOf } from './toolSetState.ts'

/** The app's own settings, which go on to hold. */
export interface RunSettings {
  /** When the run ends besides. Default: after 20 steps. */
  stopWhen?: StopCondition<ToolSet> | readonly StopCondition<ToolSet>[] | undefined
  /** What else is done before each step. */
  prepareStep?: PrepareStepFunction<ToolSet> | undefined
}

/** Settings for one run of `streamText`, which belong together. */
export interface AuthorizationAsApproval {
  stopWhen: StopCondition<ToolSet>[]
  prepareStep: PrepareStepFunction<ToolSet>
  // Whatever the app's other tools are.
  // oxlint-disable-next-line typescript/no-explicit-any
  experimental_transform: StreamTextTransform<any>
}

interface RefusedCall {
  readonly toolCallId: string
  readonly toolName: string
  readonly input: unknown
}

/** So that a page can tell this request from the question whether a call may be made. */
const APPROVAL_ID_PREFIX = 'latchkey-authorization-'

/**
 * Settings for `streamText`, with which a call that is refused for want of the user's consent becomes an approval request
 * and ends the run. Its `reason` is the link (several: one a line), and its id begins with `latchkey-authorization-`. It
 * survives in `useChat`, as part of the UI message; the model never sees it. When the user has consented and approves, the
 * next request makes the same call, before the model is asked. If consent is wanting even then, it asks once more.
 *
 * Not together with `experimental_toolApprovalSecret`: only the AI SDK can sign with it.
 *
 * @param tools - The very object that `userTools` or `getUserTools` gave. `refreshTools` is part of the settings.
 * @throws {TypeError} when it is another one.
 * @example
 * const tools = await getUserTools('user_123')
 * const result = streamText({
 *   model,
 *   tools,
 *   messages: await convertToModelMessages(messages, { tools }),
 *   ...authorizationAsApproval(tools, { stopWhen: isStepCount(10) }),
 * })
 * return result.toUIMessageStreamResponse({ originalMessages: messages })
 */
export function authorizationAsApproval(tools: ToolSet, settings: RunSettings = {}): AuthorizationAsApproval {
  const { stopWhen = isStepCount(20), prepareStep } = settings
  const { refused } = stateOf(tools, 'authorizationAsApproval')
  const refresh = refreshTools(tools)
  // A call that was approved in an earlier request is made before the first step, where no `stopWhen` is asked.
  let isOver = false
  return {
    stopWhen: [stopOnAuthorization, ...[stopWhen].flat()],
    async prepareStep(options) {
      isOver = options.stepNumber === 0 && answeredIn(options.responseMessages).some((id) => refused.has(id))
      if (isOver) return { model: silentModel }
      await refresh()
      return await prepareStep?.(options)
    },
    experimental_transform: () => askInstead(() => isOver),
  }
}

/** The ids of the calls that have a result. */
function answeredIn(messages: readonly ModelMessage[]): readonly string[] {
  return messages.flatMap(({ role, content }) =>
    role === 'tool' ? content.flatMap((part) => (part.type === 'tool-result' ? [part.toolCallId] : [])) : [],
  )
}

/** Replaces each refusal by a request. The step of a run that is over is not shown: what is asked stays in the last one. */
function askInstead<TOOLS extends ToolSet>(isOver: () => boolean) {
  const calls = new Map<string, TypedToolCall<TOOLS>>()
  return new TransformStream<TextStreamPart<TOOLS>, TextStreamPart<TOOLS>>({
    transform(part, controller) {
      if (part.type === 'start-step' && isOver()) return
      if (part.type === 'tool-call') calls.set(part.toolCallId, part)
      if (part.type !== 'tool-error' || !isAuthorizationRequired(part.error)) return controller.enqueue(part)
      controller.enqueue(requestFor(calls.get(part.toolCallId) ?? callOf(part), part.error))
    },
  })
}

function requestFor<TOOLS extends ToolSet>(toolCall: TypedToolCall<TOOLS>, refusal: LatchkeyError) {
  const links = refusal.connections.flatMap(({ authenticationLink }) => authenticationLink ?? [])
  const approvalId = `${APPROVAL_ID_PREFIX}${crypto.randomUUID()}`
  const request = { type: 'tool-approval-request' as const, approvalId, toolCall, reason: links.join('\n') }
  rememberRefusal(request, refusal)
  return request
}

/** The call of an earlier request, of which this one knows no more than what became of it. */
function callOf<TOOLS extends ToolSet>({ toolCallId, toolName, input }: RefusedCall): TypedToolCall<TOOLS> {
  return { type: 'tool-call', toolCallId, toolName, input, dynamic: true }
}
