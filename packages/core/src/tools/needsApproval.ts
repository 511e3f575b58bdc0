import type { UserTool } from './userTools.ts'

/** A tool as whoever decides about it sees it: it cannot be called. */
export type DescribedTool = Omit<UserTool, 'call' | 'meantArguments'>

/**
 * Which calls a person has to approve before they are made.
 *
 * - `writes`: each call of a tool that is not said to be read-only.
 * - `destructive`: of these, each call of a tool that is not said to be harmless.
 * - a function: the calls for which it does not give `false`. It is given a copy of the arguments, as the tool will get them.
 */
export type ApprovalPolicy =
  | 'destructive'
  | 'writes'
  | ((tool: DescribedTool, args: Readonly<Record<string, unknown>>) => boolean | Promise<boolean>)

/**
 * Whether a person has to approve a call before it is made. For whoever writes an adapter: ask it before each call, and
 * make none that it says yes to unless the person did.
 *
 * `writes` and `destructive` go by the tool's annotations, which are the upstream's claims. What they leave out has the
 * default of the MCP specification (2026-07-28, `ToolAnnotations`): a tool writes, and destroys. Where they contradict
 * each other the stricter one holds. For upstreams whose claims are not to be believed, decide in a function.
 *
 * @throws what the function throws: the call must not be made then.
 * @example
 * if (await needsApproval(userTool, args, options) && !(await ask(userTool, args))) return 'The user declined.'
 */
export async function needsApproval(
  userTool: UserTool,
  args: Readonly<Record<string, unknown>>,
  { approve }: { readonly approve?: ApprovalPolicy | undefined },
): Promise<boolean> {
  if (approve === undefined) return false
  if (typeof approve === 'function') {
    const meant = userTool.meantArguments?.(args) ?? args
    const answer: unknown = await approve(describe(userTool), structuredClone(meant))
    return answer !== false
  }
  return approve === 'writes' ? writes(userTool) : destroys(userTool)
}

/** @throws {TypeError} when it is none. */
export function checkApprovalPolicy(approve: unknown): void {
  if (approve === undefined || approve === 'destructive' || approve === 'writes' || typeof approve === 'function')
    return
  throw new TypeError("`approve` must be 'destructive', 'writes' or a function")
}

/** Without `call`, because whoever is asked about a call must not make it. */
function describe(userTool: UserTool): DescribedTool {
  const { name, mcpName, title, description, inputSchema, outputSchema, annotations } = userTool
  return { name, mcpName, title, description, inputSchema, outputSchema, annotations }
}

function writes({ annotations }: UserTool): boolean {
  return annotations?.readOnlyHint !== true || annotations.destructiveHint === true
}

function destroys(userTool: UserTool): boolean {
  return writes(userTool) && userTool.annotations?.destructiveHint !== false
}
