import type { DynamicStructuredTool } from '@langchain/core/tools'
import { warnOfMissingTools, type Latchkey, type ToolReport, type UserToolsOptions } from '@latchkey/core'

import { toTool } from './toTool.ts'

/** How one user's tools are got and called. */
export interface UserToolsForLangChainOptions extends UserToolsOptions {
  /** Called with what was renamed, left out or is missing. Default: a process warning, once for each missing connection. */
  onReport?: ((report: ToolReport) => void) | undefined
  /** Milliseconds until one tool call is given up and reaches the model as an error. Default 60,000. */
  toolTimeoutMs?: number | undefined
  /**
   * Whether the model is given a tool's files of this MIME type; the others are named to it and kept in the `artifact`.
   * Default: images only. No other kind is sure to survive: in a tool result `@langchain/openai` sends sound and PDFs as
   * base64 text, and `@langchain/anthropic` takes PDFs but throws on sound.
   */
  attach?: ((mimeType: string) => boolean) | undefined
}

/**
 * Makes the function that gives one user's tools, for an app that shares one Latchkey among all its users.
 *
 * A tool never throws what the model can be told: a failed call becomes a `ToolMessage` with `status: 'error'`. If a
 * connection needs the user's consent in the middle of a run, the message says which one (without the link), its
 * `artifact` is the `LatchkeyError` with the links, and `onAuthorizationRequired` is called; the run does not wait for it
 * then, and drops an error of its own. An aborted call throws. The `artifact` of a call that succeeded is the MCP result,
 * `structuredContent` included.
 *
 * @param latchkey - Made by `createLatchkey` of `@latchkey/core`.
 * @returns `(userIdentifier, options?) => Promise<DynamicStructuredTool[]>`. It throws what `latchkey.userTools` throws:
 * a `LatchkeyError` with code `authorization_required`, `authorization_timeout`, `authorization_failed`, `aborted`,
 * `timeout`, `unknown_config`, `invalid_user_identifier`, `unauthorized`, `unavailable`, `invalid_response`,
 * `not_ready` or `rejected`; or a `TypeError` when `toolTimeoutMs` is no time span.
 *
 * @example
 * const userTools = createUserTools(createLatchkey({ config: 'email-agent' }))
 * const agent = createAgent({ model, tools: await userTools('user_123') })
 */
export function createUserTools(
  latchkey: Pick<Latchkey, 'userTools'>,
): (userIdentifier: string, options?: UserToolsForLangChainOptions) => Promise<DynamicStructuredTool[]> {
  return async (userIdentifier, options = {}) => {
    checkToolTimeout(options)
    const { tools, report } = await latchkey.userTools(userIdentifier, options)
    const { onReport = warnOfMissingTools } = options
    onReport(report)
    return tools.map((userTool) => toTool(userTool, options))
  }
}

/** Before there are tools, because the model would be told of a mistake that only the app can mend. */
function checkToolTimeout({ toolTimeoutMs = 0 }: UserToolsForLangChainOptions): void {
  if (!Number.isFinite(toolTimeoutMs) || toolTimeoutMs < 0)
    throw new TypeError('`toolTimeoutMs` must be a number of milliseconds, 0 or more')
}
