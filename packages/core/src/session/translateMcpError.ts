import {
  InsufficientScopeError,
  ProtocolError,
  SdkError,
  SdkErrorCode,
  SdkHttpError,
} from '@modelcontextprotocol/client'
import * as z from 'zod'
import { LatchkeyError } from '../errors.ts'
import { describeFailure, innermost, shownText } from '../http/describeFailure.ts'
import { abortion } from '../timing/abortion.ts'
import { STREAM_ENDED } from './streamEndGuard.ts'
import { isNotedUnsent } from './unsent.ts'

/** An error of the MCP client, or of what it talks to, as a `LatchkeyError`. The one place for it. No secret passes. */
export function translateMcpError(error: unknown, doing: string, signal?: AbortSignal): LatchkeyError {
  if (signal?.aborted) return abortion(signal, doing)
  const ours = findInCauses(error, isLatchkeyError)
  if (ours) return ours
  const status = httpStatus(error)
  if (status !== undefined) return fromStatus(status, doing)
  if (error instanceof ProtocolError) return fromProtocolError(error, doing)
  // Their own words would quote of the answer, which may be what was sent.
  const unread = findInCauses(error, isUnread)
  if (unread) {
    const expected = unread instanceof SyntaxError ? 'JSON' : 'JSON-RPC'
    return new LatchkeyError('invalid_response', `${doing} failed: the MCP endpoint's answer is not ${expected}`)
  }
  if (error instanceof SdkError) return fromSdkError(error, doing)
  return new LatchkeyError(
    'unavailable',
    `${doing} failed: the MCP endpoint cannot be reached (${describeFailure(error)})`,
  )
}

/** What a connection fails with before anything was sent over it. */
const UNSENT: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'ENOTFOUND', 'UND_ERR_CONNECT_TIMEOUT'])

/** Whether the request that failed with this surely never left. */
export function wasNeverSent(error: unknown): boolean {
  if (isNotedUnsent(error)) return true
  const cause = error instanceof Error ? innermost(error) : undefined
  return cause !== undefined && 'code' in cause && UNSENT.has(cause.code)
}

/** The HTTP status that the endpoint refused with, wherever in the chain of causes it is. */
export function httpStatus(error: unknown): number | undefined {
  const refusal = findInCauses(error, isRefusal)
  return refusal instanceof InsufficientScopeError ? 403 : refusal?.status
}

function fromStatus(status: number, doing: string): LatchkeyError {
  const code =
    status === 401 || status === 403 ? 'unauthorized' : status >= 500 || status === 429 ? 'unavailable' : 'rejected'
  return new LatchkeyError(code, `${doing} failed: the MCP endpoint answered HTTP ${status}`)
}

function fromProtocolError(error: ProtocolError, doing: string): LatchkeyError {
  if (error.data === STREAM_ENDED)
    return new LatchkeyError('unavailable', `${doing} failed: the answer ended before its result`)
  return new LatchkeyError('rejected', `${doing} failed: ${shownText(error.message)} (${error.code})`)
}

/** It did not get through, or the connection broke. */
const UNREACHED: ReadonlySet<SdkErrorCode> = new Set([
  SdkErrorCode.ConnectionClosed,
  SdkErrorCode.NotConnected,
  SdkErrorCode.SendFailed,
  SdkErrorCode.EraNegotiationFailed,
])

function fromSdkError(error: SdkError, doing: string): LatchkeyError {
  if (error.code === SdkErrorCode.RequestTimeout)
    return new LatchkeyError('timeout', `${doing} took too long and was given up`)
  const code = UNREACHED.has(error.code) ? 'unavailable' : 'invalid_response'
  return new LatchkeyError(code, `${doing} failed: ${describeFailure(error)}`)
}

function findInCauses<T>(error: unknown, matches: (cause: unknown) => cause is T): T | undefined {
  let cause = error
  for (let depth = 0; depth < 6 && cause !== undefined; depth += 1) {
    if (matches(cause)) return cause
    cause = cause instanceof Error ? cause.cause : undefined
  }
  return undefined
}

const isLatchkeyError = (cause: unknown): cause is LatchkeyError => cause instanceof LatchkeyError
const isUnread = (cause: unknown): cause is SyntaxError | z.core.$ZodError =>
  cause instanceof SyntaxError || cause instanceof z.core.$ZodError
const isRefusal = (cause: unknown): cause is SdkHttpError | InsufficientScopeError =>
  cause instanceof SdkHttpError || cause instanceof InsufficientScopeError
