import type { ConnectionState } from './readiness/connectionState.ts'

/**
 * Why a call failed. Stable: code may branch on it.
 *
 * - `authorization_required`: the user has connections to authorize; `error.connections` holds them with their links.
 * - `authorization_timeout`: the deadline passed while connections were pending; `error.connections` lists them.
 * - `authorization_failed`: a connection reached a state that only a new link can end; `error.connections`.
 * - `aborted`: the caller's signal was aborted, or the Latchkey was closed. A tool call may have been carried out, and the
 *   message then says so.
 * - `timeout`: a request or a tool call took longer than its deadline. A tool call may have been carried out, and the
 *   message then says so: check before you call again.
 * - `unknown_config`: no MCP config has that name; the message lists the known ones.
 * - `invalid_user_identifier`: not a string of 1–255 characters without control characters.
 * - `unauthorized`: the control plane refused the client credentials.
 * - `unavailable`: the control plane or the endpoint could not be reached, or answered with a 429 or a 5xx. A tool call
 *   may have been carried out, and the message then says so: check before you call again. After a 429 it surely was not.
 * - `invalid_response`: what answered does not speak the protocol. A tool call that was answered so may have been carried
 *   out, and the message then says so: check before you call again.
 * - `not_ready`: the connections are ACTIVE but the endpoint did not serve tools within the deadline.
 * - `unknown_tool`: the endpoint does not have this tool, or this user may not use it.
 * - `invalid_arguments`: a tool call's arguments do not fit the tool's schema; the message says which and why. Nothing
 *   was sent.
 * - `rejected`: the control plane or the endpoint refused the request; the message has its reason.
 */
export type LatchkeyErrorCode =
  | 'authorization_required'
  | 'authorization_timeout'
  | 'authorization_failed'
  | 'aborted'
  | 'timeout'
  | 'unknown_config'
  | 'invalid_user_identifier'
  | 'unauthorized'
  | 'unavailable'
  | 'invalid_response'
  | 'not_ready'
  | 'unknown_tool'
  | 'invalid_arguments'
  | 'rejected'

/**
 * The one error class of the client packages. The message names what happened, to which user or connection, and what
 * to do next; it never holds a secret. A caller's mistake in code (a missing option) is a `TypeError` instead.
 *
 * @example
 * try {
 *   await getUserTools('user_123')
 * } catch (error) {
 *   if (error instanceof LatchkeyError && error.code === 'authorization_required') {
 *     for (const connection of error.connections) show(connection.connectionName, connection.authenticationLink)
 *   }
 * }
 */
export class LatchkeyError extends Error {
  readonly code: LatchkeyErrorCode
  /** The connections that the error is about. Empty for most codes. Links do not show when it is printed. */
  readonly connections: readonly ConnectionState[]

  constructor(
    code: LatchkeyErrorCode,
    message: string,
    { cause, connections = [] }: { cause?: unknown; connections?: readonly ConnectionState[] } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'LatchkeyError'
    this.code = code
    this.connections = connections
  }
}

/**
 * Whether a call was refused for want of the user's consent: then nothing was carried out, and `connections` has the links.
 *
 * @example
 * if (isAuthorizationRequired(error)) for (const { authenticationLink } of error.connections) show(authenticationLink)
 */
export function isAuthorizationRequired(error: unknown): error is LatchkeyError {
  return error instanceof LatchkeyError && error.code === 'authorization_required'
}
