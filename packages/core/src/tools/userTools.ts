import type { CallToolResult, Tool, ToolAnnotations } from '@modelcontextprotocol/client'
import type { ConnectionState } from '../readiness/connectionState.ts'

/** A JSON Schema object as the MCP server gave it. */
export type JsonSchema = Readonly<Tool['inputSchema']>

export interface ToolCallOptions {
  /** Aborting it cancels the call at the gateway and the upstream. The call then rejects with code `aborted`. */
  signal?: AbortSignal | undefined
  /** Milliseconds until the call is given up with code `timeout`. Default 60,000. */
  timeoutMs?: number | undefined
  /**
   * Called if the call needs the user's consent first, with the connections and their links. The call then waits, and is
   * sent once more, as it is, as soon as they are ACTIVE; if it needs consent even then, it rejects. Calls that wait for
   * the same thing with the same callback make one call of it. Default: the call rejects at once.
   */
  onAuthorizationRequired?: ((connections: readonly ConnectionState[]) => unknown) | undefined
  /** Milliseconds that the call may wait for consent. Default: the `timeoutMs` of `createLatchkey`. */
  authorizationTimeoutMs?: number | undefined
}

/** One tool of one user, ready for any framework: a name that every model provider accepts, and a bound call. */
export interface UserTool {
  /** Matches `^[A-Za-z0-9_-]{1,64}$`, unique among the user's tools, the same at every call for the same tool. */
  readonly name: string
  /** As the MCP endpoint names it. */
  readonly mcpName: string
  readonly title: string | undefined
  readonly description: string
  readonly inputSchema: JsonSchema
  readonly outputSchema: Readonly<Tool['outputSchema']>
  /** Claims of the upstream, not facts. */
  readonly annotations: ToolAnnotations | undefined
  /**
   * The arguments that the tool is called with when the model, which is offered `inputSchema`, gives these. Absent where they
   * are the same: only of a tool whose schema was adapted.
   */
  meantArguments?(args: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>>
  /**
   * Calls the tool once; what was carried out is never sent again. A result with `isError: true` is returned, not thrown.
   * Arguments that surely do not fit the tool's own schema are not sent; patterns and formats are for the upstream to judge.
   *
   * @throws {LatchkeyError} `invalid_arguments` (nothing was sent), `authorization_required` (a connection needs consent; the link is on the error); while it waits
   * for consent `authorization_timeout` and `authorization_failed`;
   * `unknown_tool`, `aborted`, `timeout`, `unavailable`, `rejected`.
   */
  call(args: Readonly<Record<string, unknown>>, options?: ToolCallOptions): Promise<CallToolResult>
}

/** What was left out or changed on the way from the endpoint to the framework. */
export interface ToolReport {
  /** Tools whose name had to change to be accepted by model providers. */
  readonly renamed: readonly { readonly mcpName: string; readonly name: string }[]
  /** Tools left out, and why. */
  readonly dropped: readonly { readonly mcpName: string; readonly reason: string }[]
  /** Connections whose tools are missing, as the endpoint says. */
  readonly unavailable: readonly { readonly connection: string; readonly reason: string }[]
}

export interface UserTools {
  readonly tools: readonly UserTool[]
  readonly report: ToolReport
  /** The connections that are not ACTIVE and were not required, with their links. */
  readonly missing: readonly ConnectionState[]
}
