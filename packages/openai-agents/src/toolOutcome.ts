import type { ToolResult } from '@latchkey/core'
import type { RunContext } from '@openai/agents'

// In memory, and only as long as the run: an error's links belong in no state of a run, and in nothing that is sent.
const outcomes = new WeakMap<object, Map<string, ToolResult | Error>>()

/** Remembers what the app may ask for. */
export function rememberOutcome(run: object, callId: string, outcome: ToolResult | Error): void {
  const ofRun = outcomes.get(run) ?? new Map<string, ToolResult | Error>()
  outcomes.set(run, ofRun.set(callId, outcome))
}

/**
 * What came of a tool call, whole: the MCP result (which may have `structuredContent`, and `isError` if the tool says that
 * it failed), or the error of the call; a `LatchkeyError` with code `authorization_required` has the links. Undefined for
 * a call of another tool, or of another process.
 *
 * @param runContext - Of the result of `run`, or what a hook is given.
 * @param callId - Of the tool call: `item.rawItem.callId`.
 * @example
 * for (const item of result.newItems) {
 *   if (item.type === 'tool_call_item') render(toolOutcome(result.runContext, item.rawItem.callId))
 * }
 */
export function toolOutcome(runContext: RunContext, callId: string): ToolResult | Error | undefined {
  return outcomes.get(runContext)?.get(callId)
}
