import type { AuthorizationRequest } from '@latchkey/core'
import { Agent, tool, Usage, type FunctionTool, type Model, type RunToolApprovalItem } from '@openai/agents'

import { ANY_ARGUMENTS } from './anyArguments.ts'

type Invoke = FunctionTool['invoke']
type Details = Parameters<Invoke>[2]

/**
 * The SDK stops a run for approval before a tool is called, and only there. That a call needs consent shows when it is
 * made. What can stop in the middle of a call is an agent that is used as a tool: if one of its own calls needs approval,
 * the outer run stops with that interruption, and calls the tool again with the agent's state when it is resumed. So the
 * consent is asked for by an agent that makes one call, of a tool that does nothing and has to be approved. It asks no
 * model, and knows no user: all that it is told is in the state of the run that it is part of.
 */
const asking: Model = {
  getResponse: async ({ input }) => ({
    usage: new Usage(),
    output: [{ type: 'function_call', callId: crypto.randomUUID(), name: 'authorize', arguments: textOf(input) }],
  }),
  getStreamedResponse: () => {
    throw new TypeError('the agent that asks for consent is never streamed')
  },
}

const authorize = tool({
  name: 'authorize',
  description: 'Asks the user to connect an account.',
  strict: false,
  parameters: ANY_ARGUMENTS,
  needsApproval: true,
  execute: (request) => approvalFor(isRequest(request) ? request.userIdentifier : ''),
})

const askingAgent = new Agent({
  name: 'Latchkey authorization',
  model: asking,
  tools: [authorize],
  toolUseBehavior: 'stop_on_first_tool',
})

/** A tool by which the SDK finds the agent above when it reads the state of a run. `invoke` asks for consent. */
// oxlint-disable-next-line typescript/no-explicit-any -- As the SDK has it where a tool's parameters do not matter.
export function consentTool(toolName: string): FunctionTool<unknown, any> {
  return askingAgent.asTool({ toolName, toolDescription: '', runConfig: { tracingDisabled: true } })
}

/**
 * Asks for consent in the middle of a call; or, with the state that the SDK kept, tells what came of it. It is empty if the
 * run stops; where it was always approved or rejected before, which is remembered for the whole run, nobody is asked.
 */
export async function askForConsent(
  invoke: Invoke,
  context: Parameters<Invoke>[0],
  request: AuthorizationRequest | undefined,
  details: Details,
): Promise<string> {
  return String(await invoke(context, JSON.stringify({ input: JSON.stringify(request ?? {}) }), details))
}

const APPROVED = 'authorized by '

/** What comes of it if it was approved. */
export function approvalFor(userIdentifier: string): string {
  return `${APPROVED}${JSON.stringify(userIdentifier)}`
}

export function isApproval(answer: string): boolean {
  return answer.startsWith(APPROVED)
}

/**
 * What a run has stopped for, if it is the user's consent; undefined if it is the approval of a call. To go on, approve the
 * interruption when the user has connected the account, or reject it when the user will not.
 *
 * @example
 * for (const interruption of result.interruptions) {
 *   const request = authorizationOf(interruption)
 *   if (request) show(request.connections)
 * }
 */
export function authorizationOf(interruption: RunToolApprovalItem): AuthorizationRequest | undefined {
  // Whatever a model or an upstream may call itself, it is not this agent.
  if (interruption.agent !== askingAgent) return undefined
  const request: unknown = JSON.parse(interruption.arguments ?? '{}')
  return isRequest(request) ? request : undefined
}

function isRequest(value: unknown): value is AuthorizationRequest {
  return typeof value === 'object' && value !== null && Reflect.get(value, 'type') === 'authorization_required'
}

function textOf(input: Parameters<Model['getResponse']>[0]['input']): string {
  if (typeof input === 'string') return input
  const [message] = input
  return message !== undefined && 'content' in message && typeof message.content === 'string' ? message.content : '{}'
}
