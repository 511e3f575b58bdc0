import {
  authorizationRequest,
  callAgentTool,
  isAuthorizationRequired,
  LatchkeyError,
  needsApproval,
  tellAuthorizationRequired,
  toolError,
  type AgentToolsOptions,
  type AuthorizationRequest,
  type ToolResult,
  type UserTool,
} from '@latchkey/core'
import { Tool, type ToolExecutionContext } from '@mastra/core/tools'

import { toModelOutput } from './content.ts'
import { toStandardSchema, type Arguments } from './inputSchema.ts'

/** What a run that was suspended for consent is resumed with. */
export interface AuthorizationAnswer {
  /** `false` tells the model that the user will not; else the call is made. */
  readonly connected: boolean
}

/** A tool of one user. */
export type UserToolForMastra = Tool<Arguments, ToolResult, AuthorizationRequest, AuthorizationAnswer, Context>

type Context = ToolExecutionContext<AuthorizationRequest, AuthorizationAnswer>

interface CallOptions extends AgentToolsOptions {
  readonly userIdentifier: string
  readonly suspends: boolean
}

const ANSWER = {
  type: 'object' as const,
  properties: { connected: { type: 'boolean' as const, description: 'Whether the user has connected the account.' } },
  required: ['connected'],
}

export function toTool(userTool: UserTool, options: CallOptions): UserToolForMastra {
  const { name, title, description, inputSchema, annotations } = userTool
  return new Tool<Arguments, ToolResult, AuthorizationRequest, AuthorizationAnswer, Context>({
    id: name,
    description,
    ...(title !== undefined && { title }),
    ...(annotations && { mcp: { annotations } }),
    inputSchema: toStandardSchema(inputSchema),
    ...(options.schemaProfile === 'openai-strict' && { strict: true }),
    ...(options.suspends && { resumeSchema: ANSWER }),
    ...(options.approve !== undefined && { requireApproval: (args) => needsApproval(userTool, args, options) }),
    execute: (args, context) => call(userTool, args, context, options),
    toModelOutput,
  })
}

async function call(
  userTool: UserTool,
  args: Arguments,
  { abortSignal, agent }: Context,
  options: CallOptions,
): Promise<ToolResult | void> {
  checkResumed(agent, userTool, options)
  try {
    const result = await callAgentTool(userTool, args, abortSignal, options)
    if (result.isError !== true) return result
    // Thrown, because Mastra hands a returned `isError` to the model as success.
    throw toolError(result)
  } catch (error) {
    if (!isAuthorizationRequired(error)) throw error
    const { userIdentifier, suspends } = options
    if (suspends && agent)
      return await agent.suspend(authorizationRequest(error, { userIdentifier, tool: userTool.name }))
    tellAuthorizationRequired(error, options)
    throw error
  }
}

/** Whoever resumes a run resumes one of this user, and the user was not unwilling. */
function checkResumed(agent: Context['agent'], { name }: UserTool, { userIdentifier }: CallOptions): void {
  const { suspendPayload, resumeData } = agent ?? {}
  if (!isAuthorizationRequest(suspendPayload)) return
  if (suspendPayload.userIdentifier !== userIdentifier)
    throw new LatchkeyError('rejected', `the call of ${name} was suspended for another user; it has not been made`)
  if (resumeData?.connected === false)
    throw new LatchkeyError('rejected', `${name} was not called: the user declined to connect the account`)
}

function isAuthorizationRequest(payload: unknown): payload is AuthorizationRequest {
  return typeof payload === 'object' && payload !== null && Reflect.get(payload, 'type') === 'authorization_required'
}
