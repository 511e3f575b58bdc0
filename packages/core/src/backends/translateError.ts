import { LatchkeyError } from '../errors.ts'
import { describeFailure, shownText } from '../http/describeFailure.ts'
import { parseJson } from '../http/parseJson.ts'
import { errorBodySchema, nestedErrorBodySchema } from '../wire/schemas.ts'
import { abortion } from '../timing/abortion.ts'
import type { ServiceSettings } from './serviceSettings.ts'

/** What the control plane answered, before it is known to be what was asked for. */
export interface ForeignAnswer {
  readonly status: number
  readonly body: string
}

/** What was being done, and with which service. For messages. */
export interface Doing {
  /** `ensuring the MCP instance of user "u1"` */
  readonly doing: string
  readonly settings: ServiceSettings
}

/** An error that is not ours — a network failure, a time-out, an abort — as a `LatchkeyError`. The one place for it. */
export function translateError(error: unknown, { doing, settings }: Doing, signal?: AbortSignal): LatchkeyError {
  if (error instanceof LatchkeyError) return error
  if (signal?.aborted) return abortion(signal, doing)
  return new LatchkeyError(
    'unavailable',
    `${doing} failed: ${settings.service} cannot be reached (${describeFailure(error)}); is it running, and does ${settings.address} point to it?`,
  )
}

/** An answer with an error status as a `LatchkeyError`. */
export function translateAnswer({ status, body }: ForeignAnswer, { doing, settings }: Doing): LatchkeyError {
  const { service, address, credential } = settings
  const error = readErrorBody(body)
  const failed = `${doing} failed: ${service} answered HTTP ${status}${because(error)}`
  if (status >= 500 || status === 429) return new LatchkeyError('unavailable', failed)
  if (status === 401) return new LatchkeyError('unauthorized', `${failed}; check ${credential}`)
  if (error === undefined)
    return new LatchkeyError(
      'invalid_response',
      `${doing} failed: HTTP ${status}, but not from ${service}; check that ${address} points to it`,
    )
  return new LatchkeyError('rejected', failed)
}

/** The code and the message of an error body; undefined where the body is none. */
export function readErrorBody(body: string): { code: string; message: string } | undefined {
  const value = parseJson(body)
  const flat = errorBodySchema.safeParse(value)
  const nested = nestedErrorBodySchema.safeParse(value)
  const error = flat.data ?? nested.data?.error
  return error && { code: String(error.code ?? ''), message: error.message }
}

function because(error: { message: string } | undefined): string {
  return error === undefined ? '' : `: ${shownText(error.message)}`
}
