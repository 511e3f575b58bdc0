import {
  authorizationRequest,
  callAgentTool,
  isAuthorizationRequired,
  LatchkeyError,
  needsApproval,
  tellAuthorizationRequired,
  type AgentToolsOptions,
  type Attach,
  type ToolResult,
  type UserTool,
} from '@latchkey/core'
import { RunContext, tool, type FunctionTool } from '@openai/agents'

import { ANY_ARGUMENTS } from './anyArguments.ts'
import { approvalFor, askForConsent, consentTool, isApproval } from './consent.ts'
import { toOutput, type Output } from './content.ts'
import { rememberOutcome } from './toolOutcome.ts'

/** A tool of one user. */
// oxlint-disable-next-line typescript/no-explicit-any -- As the SDK has it where a tool's parameters do not matter.
export type UserToolForOpenAiAgents = FunctionTool<unknown, any>

type Invoke = UserToolForOpenAiAgents['invoke']
type Details = NonNullable<Parameters<Invoke>[2]>

interface CallOptions extends AgentToolsOptions {
  readonly userIdentifier: string
  readonly interrupts: boolean
  readonly attach?: Attach | undefined
}

/** One call of one tool, as the SDK gives it. */
interface Call {
  readonly userTool: UserTool
  readonly args: Readonly<Record<string, unknown>>
  readonly context: RunContext
  readonly details: Details
  readonly options: CallOptions
  /** Stops the run for consent. */
  readonly ask: Invoke
}

export function toTool(userTool: UserTool, options: CallOptions): UserToolForOpenAiAgents {
  const { name, description, inputSchema } = userTool
  const consent = consentTool(name)
  const ask = consent.invoke
  const callable = tool({
    name,
    description,
    // The call checks the arguments; the schema that the model is shown is put in its place below.
    strict: false,
    parameters: ANY_ARGUMENTS,
    ...(options.approve !== undefined && {
      needsApproval: (_: unknown, args: unknown) => needsApproval(userTool, Object(args), options),
    }),
    execute: (args, context = new RunContext(), details = {}) =>
      call({ userTool, args: Object(args), context, details, options, ask }),
  })
  // The SDK makes of a name what it takes for one, by which two tools may become one; ours is good for every provider.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- MCP and the SDK type the same JSON Schema apart.
  const parameters = inputSchema as FunctionTool['parameters']
  const shown = { name, parameters, strict: options.schemaProfile === 'openai-strict' }
  return Object.assign(consent, callable, shown)
}

async function call(given: Call): Promise<Output> {
  const { details, options } = given
  if (details.resumeState === undefined) return await attempt(given)
  const answer = await askForConsent(given.ask, given.context, undefined, details)
  if (answer === approvalFor(options.userIdentifier)) return await attempt(given)
  const { name } = given.userTool
  const reason = isApproval(answer)
    ? `the call of ${name} was stopped for another user; it has not been made`
    : `${name} was not called: the user declined to connect the account`
  return failed(given, new LatchkeyError('rejected', reason))
}

async function attempt(given: Call): Promise<Output> {
  const { userTool, args, details, options } = given
  try {
    const result = await callAgentTool(userTool, args, details.signal, options)
    remember(given, result)
    return toOutput(result, options.attach)
  } catch (error) {
    // What the SDK knows an abort by.
    details.signal?.throwIfAborted()
    if (!(error instanceof LatchkeyError)) throw error
    if (!isAuthorizationRequired(error)) return failed(given, error)
    return options.interrupts ? await interrupt(given, error) : refused(given, error)
  }
}

/** Where the run stops, the SDK takes no notice of what is returned. */
async function interrupt(given: Call, error: LatchkeyError): Promise<string> {
  const { userTool, context, details, options, ask } = given
  const { resumeState: _answered, ...fresh } = details
  const { userIdentifier } = options
  const request = authorizationRequest(error, { userIdentifier, tool: userTool.name })
  const answer = await askForConsent(ask, context, request, fresh)
  return answer === '' ? answer : refused(given, error)
}

function refused(given: Call, error: LatchkeyError): string {
  tellAuthorizationRequired(error, given.options)
  return failed(given, error)
}

function failed(given: Call, error: LatchkeyError): string {
  remember(given, error)
  return error.message
}

function remember({ context, details }: Call, outcome: ToolResult | Error): void {
  if (details.toolCall) rememberOutcome(context, details.toolCall.callId, outcome)
}
