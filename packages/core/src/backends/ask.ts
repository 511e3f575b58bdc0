import type * as z from 'zod'
import { LatchkeyError } from '../errors.ts'
import type { HttpClient } from '../http/httpClient.ts'
import { parseJson } from '../http/parseJson.ts'
import { BodyTooLarge, readBody } from '../http/readBody.ts'
import { startDeadline } from '../timing/deadline.ts'
import type { Timing } from '../timing/timing.ts'
import { untilAborted } from '../timing/untilAborted.ts'
import { parseRetryAfter, Retryable, retry } from './retry.ts'
import type { ServiceSettings } from './serviceSettings.ts'
import { translateAnswer, translateError, type Doing, type ForeignAnswer } from './translateError.ts'

/** What it takes to send a request and to read its answer. */
export interface Transport {
  /** Without a slash at its end. */
  readonly base: string
  readonly http: HttpClient
  readonly timing: Timing
  /** Milliseconds that one request may take, retries included. */
  readonly requestTimeoutMs: number
  readonly settings: ServiceSettings
}

export interface Question<S extends z.ZodType> {
  /** What the answer must look like. */
  readonly schema: S
  /** What is being done, for messages: `reading the auth state of instance i1`. */
  readonly doing: string
  /** Whether it may be sent again when it is not known to have arrived. */
  readonly idempotent: boolean
  readonly signal?: AbortSignal | undefined
  /** Turns an error answer into an error of its own; undefined leaves it to the general rule. */
  readonly refused?: (status: number, body: string) => LatchkeyError | undefined
}

/** What came of sending a request, and what it was sent with. */
export interface Sent {
  readonly response: Response
  /** Not to be shown, even where the service repeats it. */
  readonly secrets: readonly string[]
}

/** No answer that is asked for here comes near it. */
const MAX_ANSWER_BYTES = 4 * 1_024 * 1_024
const RETRYABLE_STATUSES: ReadonlySet<number> = new Set([429, 502, 503, 504])

/** Sends under one deadline, tries again what may be tried again, and gives the answer if it is one. */
export async function ask<S extends z.ZodType>(
  { timing, requestTimeoutMs, settings }: Transport,
  question: Question<S>,
  send: (signal: AbortSignal) => Promise<Sent>,
): Promise<z.output<S>> {
  const { doing, idempotent } = question
  using deadline = startDeadline({ timeoutMs: requestTimeoutMs, signal: question.signal, timing, what: doing })
  const { signal } = deadline
  const context = { doing, settings }
  const again = (error: LatchkeyError, retryAfterMs?: number) =>
    idempotent && !signal.aborted ? new Retryable(error, retryAfterMs) : error
  const answer = await retry(timing, signal, async () => {
    const { status, body, retryAfter } = await exchange(send, signal).catch((error: unknown) => {
      if (error instanceof LatchkeyError) throw error
      if (error instanceof BodyTooLarge)
        throw new LatchkeyError('invalid_response', `${doing} failed: ${error.message}`)
      throw again(translateError(error, context, signal))
    })
    if (!RETRYABLE_STATUSES.has(status)) return { status, body }
    throw again(translateAnswer({ status, body }, context), parseRetryAfter(retryAfter, timing.now()))
  })
  return readAnswer(answer, question, context)
}

async function exchange(send: (signal: AbortSignal) => Promise<Sent>, signal: AbortSignal) {
  const { response, secrets } = await untilAborted(send(signal), signal)
  const { ok, status, headers } = response
  const body = await untilAborted(readBody(response, MAX_ANSWER_BYTES), signal)
  return { status, body: ok ? body : withoutSecrets(body, secrets), retryAfter: headers.get('retry-after') }
}

function withoutSecrets(body: string, secrets: readonly string[]): string {
  let text = body
  for (const secret of secrets) if (secret) text = text.replaceAll(secret, '[redacted]')
  return text
}

function readAnswer<S extends z.ZodType>(
  answer: ForeignAnswer,
  { schema, refused }: Question<S>,
  context: Doing,
): z.output<S> {
  const { status, body } = answer
  if (status < 200 || status > 299) throw refused?.(status, body) ?? translateAnswer(answer, context)
  const parsed = schema.safeParse(parseJson(body))
  if (parsed.success) return parsed.data
  const { service, address } = context.settings
  throw new LatchkeyError(
    'invalid_response',
    `${context.doing} failed: the answer is not that of ${service}; check that ${address} points to it`,
  )
}
