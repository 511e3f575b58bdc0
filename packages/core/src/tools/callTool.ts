import {
  isInputRequiredResult,
  ProtocolError,
  type CallToolResult,
  type InputRequiredResult,
} from '@modelcontextprotocol/client'
import { LatchkeyError, type LatchkeyErrorCode } from '../errors.ts'
import type { ConnectionState } from '../readiness/connectionState.ts'
import { httpStatus, translateMcpError, wasNeverSent } from '../session/translateMcpError.ts'
import { abortion } from '../timing/abortion.ts'
import { authorizationLinks } from './authorizationLinks.ts'

/** What a call needs of the one who keeps the user's state. */
export interface ToolCallContext {
  readonly userIdentifier: string
  readonly mcpName: string
  /** The connections of the user's config. */
  readonly connectionNames: readonly string[]
  readonly signal: AbortSignal | undefined
  /** Sends the call, once. */
  send(): Promise<CallToolResult | InputRequiredResult>
  /** Links for the connections that are not ACTIVE. Mints them. */
  pendingConnections(): Promise<readonly ConnectionState[]>
  /** What was known of the user's readiness and tools no longer holds. */
  forget(): void
}

const INVALID_PARAMS = -32_602

/** Calls a tool once, and says in our own words what went wrong. */
export async function callTool(context: ToolCallContext): Promise<CallToolResult> {
  const outcome = await send(context)
  const links = authorizationLinks(outcome, context.mcpName, context.connectionNames)
  if (links || isInputRequiredResult(outcome)) throw authorizationRequired(context, links ?? [])
  return outcome
}

async function send(context: ToolCallContext): Promise<CallToolResult | InputRequiredResult> {
  try {
    return await context.send()
  } catch (error) {
    throw await translateCallError(context, error)
  }
}

async function translateCallError(context: ToolCallContext, error: unknown): Promise<LatchkeyError> {
  const { mcpName, signal, userIdentifier } = context
  const doing = `calling tool ${JSON.stringify(mcpName)} for user ${JSON.stringify(userIdentifier)}`
  const links = authorizationLinks(error, mcpName, context.connectionNames)
  if (links) return authorizationRequired(context, links)
  if (isUnknownTool(error)) {
    context.forget()
    return new LatchkeyError('unknown_tool', `${doing} failed: there is no such tool, or this user may not use it`)
  }
  const translated = translateMcpError(error, doing, signal)
  if (translated.code === 'rejected' || translated.code === 'unauthorized') context.forget()
  if (translated.code === 'unauthorized' || translated.code === 'authorization_required')
    return refusedForWhom(context, translated, doing)
  return isUnknownOutcome(translated, error) ? mayBeDone(translated) : translated
}

/** What is said where nobody answered whether it was carried out, or where the answer to it cannot be read. */
const UNKNOWN_OUTCOMES: ReadonlySet<LatchkeyErrorCode> = new Set([
  'unavailable',
  'timeout',
  'aborted',
  'invalid_response',
])

function isUnknownOutcome({ code }: LatchkeyError, error: unknown): boolean {
  // What we refuse ourselves, such as a token of another user or a redirect, is no answer to the call.
  return UNKNOWN_OUTCOMES.has(code) && !(error instanceof LatchkeyError) && !wasNotCarriedOut(error)
}

/** It never left, or was turned away at the door for being one too many (RFC 6585, section 4). */
function wasNotCarriedOut(error: unknown): boolean {
  return wasNeverSent(error) || httpStatus(error) === 429
}

/** Whoever reads it, a model above all, must not simply call again. */
function mayBeDone({ code, message, cause, connections }: LatchkeyError): LatchkeyError {
  const warning = `${message}; it may have been carried out; check before you call again`
  return new LatchkeyError(code, warning, { cause, connections })
}

/** The endpoint refuses the user: that is mended by the user if a connection is pending, else by the operator. */
async function refusedForWhom(context: ToolCallContext, refusal: LatchkeyError, doing: string): Promise<LatchkeyError> {
  context.forget()
  if (refusal.connections.length > 0) return authorizationRequired(context, refusal.connections)
  try {
    const pending = await context.pendingConnections()
    return pending.length > 0 ? authorizationRequired(context, pending) : refusal
  } catch (cause) {
    if (context.signal?.aborted) return abortion(context.signal, doing)
    // Nobody could consent to what nobody can name, such as that of a user who was revoked.
    return new LatchkeyError('unauthorized', refusal.message, { cause })
  }
}

function authorizationRequired(context: ToolCallContext, connections: readonly ConnectionState[]): LatchkeyError {
  context.forget()
  const { mcpName, userIdentifier } = context
  const tool = `tool ${JSON.stringify(mcpName)}`
  const user = `user ${JSON.stringify(userIdentifier)}`
  if (connections.length === 0)
    return new LatchkeyError('rejected', `${tool} asks ${user} for input that cannot be given here`)
  const names = connections.map(({ connectionName }) => connectionName).join(', ')
  return new LatchkeyError(
    'authorization_required',
    `${tool} needs ${user} to authorize ${names}; the links are in \`connections\``,
    {
      connections,
    },
  )
}

/** The protocol has no code of its own for it: invalid params, and words that differ between servers. */
function isUnknownTool(error: unknown): boolean {
  return (
    error instanceof ProtocolError &&
    error.code === INVALID_PARAMS &&
    /\bunknown tool\b|\btool\b.*\bnot found\b/i.test(error.message)
  )
}
