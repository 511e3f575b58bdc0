import { LatchkeyError, type LatchkeyErrorCode } from '../errors.ts'
import { describeFailure, shownText } from '../http/describeFailure.ts'
import { parseJson } from '../http/parseJson.ts'
import { errorBodySchema } from '../wire/schemas.ts'

/** What the control plane answered, before it is known to be what was asked for. */
export interface ForeignAnswer {
  readonly status: number
  readonly body: string
}

/**
 * An error that is not ours — a network failure, a time-out, an abort — as a `LatchkeyError`. The one place for it.
 *
 * @param doing for the message, such as `ensuring the MCP instance of user "u1"`.
 */
export function translateError(error: unknown, doing: string, signal?: AbortSignal): LatchkeyError {
  if (error instanceof LatchkeyError) return error
  if (signal?.aborted) {
    if (signal.reason instanceof LatchkeyError) return signal.reason
    return new LatchkeyError('aborted', `${doing} was aborted by its signal`)
  }
  return new LatchkeyError(
    'unavailable',
    `${doing} failed: the control plane cannot be reached (${describeFailure(error)}); is it running, and does LATCHKEY_URL (or \`url\`) point to it?`,
  )
}

/** An answer with an error status as a `LatchkeyError`. */
export function translateAnswer({ status, body }: ForeignAnswer, doing: string): LatchkeyError {
  const error = readErrorBody(body)
  if (status >= 500 || status === 429)
    return new LatchkeyError(
      'unavailable',
      `${doing} failed: the control plane answered HTTP ${status}${because(error)}`,
    )
  if (error === undefined)
    return new LatchkeyError(
      'invalid_response',
      `${doing} failed: HTTP ${status}, but not from a control plane; check that LATCHKEY_URL (or \`url\`) points to one`,
    )
  return new LatchkeyError(
    codeOf(status),
    `${doing} failed: the control plane answered HTTP ${status}${because(error)}`,
  )
}

/** The code and the message of an error body; undefined where the body is not one of the control plane's. */
export function readErrorBody(body: string): { code: string; message: string } | undefined {
  const parsed = errorBodySchema.safeParse(parseJson(body))
  return parsed.success ? { code: String(parsed.data.code ?? ''), message: parsed.data.message } : undefined
}

function codeOf(status: number): LatchkeyErrorCode {
  return status === 401 ? 'unauthorized' : 'rejected'
}

function because(error: { message: string } | undefined): string {
  return error === undefined ? '' : `: ${shownText(error.message)}`
}
