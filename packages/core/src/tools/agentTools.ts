import type { LatchkeyError } from '../errors.ts'
import type { Latchkey, UserToolsOptions } from '../latchkey.ts'
import { adaptTools, type SchemaReport } from '../schemas/adaptTools.ts'
import { checkSchemaProfile, type SchemaProfile } from '../schemas/schemaProfile.ts'
import { schemaProfileFor } from '../schemas/schemaProfileFor.ts'
import { checkMs } from '../timing/checkMs.ts'
import { checkApprovalPolicy, type ApprovalPolicy } from './needsApproval.ts'
import { renameTools } from './renameTools.ts'
import type { ToolReport, UserTool, UserTools } from './userTools.ts'
import { warnOfMissingTools } from './warnOfMissingTools.ts'

/** What was changed or left out on the way to the agent, and what is missing. */
export interface AgentToolReport extends ToolReport, Pick<UserTools, 'missing'>, SchemaReport {}

/** How an agent gets one user's tools and calls them: the same in every framework. */
export interface AgentToolsOptions extends UserToolsOptions {
  /**
   * Called with what was renamed, adapted, left out or cannot be served, and with the connections that are `missing` because
   * `require` can do without them. Default: a process warning, once for each connection that cannot be served.
   */
  onReport?: ((report: AgentToolReport) => void) | undefined
  /**
   * Which JSON Schemas the model's provider takes: the tools' schemas are adapted to it, with the least loss, and their
   * arguments changed back before the call. Default: that of `model`; where the model is not known, `common`.
   */
  schemaProfile?: SchemaProfile | undefined
  /** The model that the tools are for: its name, or the framework's model object. It tells the `schemaProfile`. */
  model?: unknown
  /**
   * What a call does that needs consent in the middle of a run: `fail` (the default) or `wait`, which shows the links to
   * `onAuthorizationRequired` and makes the same call once more after the consent.
   */
  consent?: 'fail' | 'wait' | undefined
  /** Milliseconds that `wait` may take. Default: the `timeoutMs` of `createLatchkey`. */
  authorizationTimeoutMs?: number | undefined
  /**
   * Which calls a person has to approve before they are made: `destructive` or `writes`, by the tools' annotations, or a
   * function that decides for each call. The framework's own way of asking is used. Default: none.
   */
  approve?: ApprovalPolicy | undefined
  /** Milliseconds until one tool call is given up and reaches the model as an error. Default 60,000. */
  toolTimeoutMs?: number | undefined
}

/**
 * One user's tools for an agent, with what is wrong with them reported. For whoever writes an adapter.
 *
 * @param acceptedNames - The tool names that the framework takes, where these are fewer than model providers take
 * (`^[A-Za-z0-9_-]{1,64}$`); tools with other names are renamed. It must take `^[A-Za-z][A-Za-z0-9_-]{0,61}$`.
 * @throws {TypeError} when an option is wrong, before there are tools, because the model would be told of a mistake that
 * only the app can mend.
 * @throws {LatchkeyError} what `latchkey.userTools` throws.
 * @example
 * const tools = await agentTools(latchkey, 'user_123', options)
 * return tools.map((userTool) => toFrameworkTool(userTool, options))
 */
export async function agentTools(
  latchkey: Pick<Latchkey, 'userTools'>,
  userIdentifier: string,
  options: AgentToolsOptions = {},
  acceptedNames?: RegExp,
): Promise<readonly UserTool[]> {
  checkOptions(options)
  const { tools, report, missing } = await latchkey.userTools(userIdentifier, options)
  const { onReport = warnOfMissingTools, schemaProfile, model } = options
  const adapted = adaptTools(tools, schemaProfile ?? schemaProfileFor(model) ?? 'common')
  const known = { tools: adapted.tools, report: { ...report, dropped: [...report.dropped, ...adapted.report.dropped] } }
  const named = acceptedNames ? renameTools(known, acceptedNames) : known
  onReport({ ...adapted.report, ...named.report, missing })
  return named.tools
}

/** Calls a tool as the options say. For whoever writes an adapter. @throws {LatchkeyError} what `userTool.call` throws. */
export function callAgentTool(
  userTool: UserTool,
  args: Readonly<Record<string, unknown>>,
  signal: AbortSignal | undefined,
  options: AgentToolsOptions = {},
): ReturnType<UserTool['call']> {
  const { toolTimeoutMs: timeoutMs, consent, onAuthorizationRequired, authorizationTimeoutMs } = options
  const waiting = consent === 'wait' ? { onAuthorizationRequired, authorizationTimeoutMs } : {}
  return userTool.call(args, { signal, timeoutMs, ...waiting })
}

/**
 * Tells the app which links a call is lacking. The run neither waits for the callback nor ends by its error: what the
 * model and the app get is the call's own. For whoever writes an adapter.
 */
export function tellAuthorizationRequired(
  { connections }: LatchkeyError,
  { onAuthorizationRequired }: Pick<AgentToolsOptions, 'onAuthorizationRequired'>,
): void {
  const run = async () => await onAuthorizationRequired?.(connections)
  run().catch(() => {})
}

function checkOptions(options: AgentToolsOptions): void {
  const { toolTimeoutMs = 0, authorizationTimeoutMs = 0, consent = 'fail', onAuthorizationRequired } = options
  checkSchemaProfile(options.schemaProfile)
  for (const [name, value] of Object.entries({ toolTimeoutMs, authorizationTimeoutMs })) checkMs(name, value)
  checkApprovalPolicy(options.approve)
  if (consent !== 'fail' && consent !== 'wait') throw new TypeError("`consent` must be 'fail' or 'wait'")
  if (consent === 'wait' && !onAuthorizationRequired)
    throw new TypeError("`consent: 'wait'` needs `onAuthorizationRequired`, which shows the user the links")
}
