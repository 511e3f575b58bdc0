import type { Connection } from '../domain.ts'
import { AnswerTooLarge, GatewayError } from '../errors.ts'
import { TooComplexError } from './jsonBounds.ts'
import { DuplicateKeyError } from './jsonSpans.ts'
import { EventTooLarge } from './sseMessages.ts'

/** The upstream answered 401: nothing was executed, and the credential may have to be renewed. */
export class CredentialRefused extends Error {
  constructor() {
    super('the upstream refused the credential')
    this.name = 'CredentialRefused'
  }
}

/** The upstream answered 403 `insufficient_scope`: nothing was executed, and only the account's user can help. */
export class ScopeRefused extends GatewayError {
  /** What it wants, divided by spaces; empty where it did not say. */
  readonly scope: string

  constructor({ displayName }: Connection, scope: string) {
    super('consent_required', `${displayName} wants its user to grant more access.`)
    this.name = 'ScopeRefused'
    this.scope = scope
  }
}

/** A session of the 2025 era is gone (404): nothing was executed. */
export class SessionLost extends Error {
  constructor() {
    super('the upstream does not know the session any more')
    this.name = 'SessionLost'
  }
}

/** A program that is an upstream failed. The message says what it did, without a subject: "ended before it had answered". */
export class ProgramFailed extends Error {
  constructor(what: string) {
    super(what)
    this.name = 'ProgramFailed'
  }
}

/** Messages name the connection and what happened, and repeat nothing of what the upstream sent (security T41). */
export function unavailable({ name }: Connection, what: string, cause?: unknown): GatewayError {
  return new GatewayError('upstream_unavailable', `The connection "${name}" ${what}.`, { cause })
}

export function invalidUpstream({ name }: Connection, what: string, cause?: unknown): GatewayError {
  return new GatewayError('upstream_invalid', `The connection "${name}" ${what}.`, { cause })
}

/** An answer that is none of MCP. */
export function unexpectedAnswer(connection: Connection, status: number): GatewayError {
  if (status >= 500 || status === 429) return unavailable(connection, `answered with status ${status}`)
  const what = status === 200 ? 'something that is not an MCP message' : `status ${status} and without an MCP message`
  return invalidUpstream(connection, `answered with ${what}`)
}

/** Why an answer was not read to its end. Where it met a limit, says which (security T44). */
export function brokenAnswer(connection: Connection, error: unknown): GatewayError {
  if (error instanceof AnswerTooLarge) {
    const what = `answered with more than ${error.maxBytes} bytes, which is the most that the gateway takes`
    return invalidUpstream(connection, what, error)
  }
  if (error instanceof EventTooLarge) {
    const what = `sent an event of more than ${error.maxChars} characters, which is the most that the gateway takes`
    return invalidUpstream(connection, what, error)
  }
  if (error instanceof ProgramFailed) return unavailable(connection, error.message, error)
  if (error instanceof DuplicateKeyError) return invalidUpstream(connection, 'gave an answer with a key twice', error)
  if (error instanceof TooComplexError) {
    return invalidUpstream(connection, 'answered with more levels or values than the gateway takes', error)
  }
  return unavailable(connection, 'broke its answer off', error)
}
