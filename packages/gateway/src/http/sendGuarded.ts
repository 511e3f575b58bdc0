import type { IncomingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { AnswerTooLarge, GatewayError } from '../errors.ts'
import { encodeInPieces, isLong } from '../longText.ts'
import type { GuardedAnswer, GuardedFetchInit } from '../services.ts'
import { createAnswer } from './createAnswer.ts'
import { IncomingBody } from './incomingBody.ts'
import { AddressRefused, refusal } from './outboundPolicy.ts'

type Init = GuardedFetchInit & Required<Pick<GuardedFetchInit, 'maxBytes' | 'headersTimeoutMs' | 'bodyIdleTimeoutMs'>>

/**
 * Sends one request and gives the answer as its headers arrive. Written on the dispatcher's own handler and not on
 * `fetch`, whose layers cost more than the rest of a relayed tool call.
 */
export function sendGuarded(dispatcher: Dispatcher, url: URL, init: Init): Promise<GuardedAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<GuardedAnswer>()
  const exchange = new Exchange(url.host, init, resolve, reject)
  const { body, headers } = encodeBody(init.body)
  if (body instanceof Readable) exchange.boundSending()
  try {
    dispatcher.dispatch(
      {
        origin: url.origin,
        path: pathOf(url, init.query),
        method: init.method ?? 'GET',
        headers: encodeHeaders(init.headers, headers),
        body,
        headersTimeout: init.headersTimeoutMs,
        bodyTimeout: init.bodyIdleTimeoutMs,
      },
      exchange,
    )
  } catch (error) {
    exchange.fail(error)
  }
  return promise
}

function pathOf({ pathname, search }: URL, query: Init['query']): string {
  if (query === undefined) return pathname + search
  const added = new URLSearchParams(query).toString()
  return `${pathname}${search}${search === '' ? '?' : '&'}${added}`
}

/** One request and its answer: turns the dispatcher's callbacks into a `GuardedAnswer`, and foreign errors into ours. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #host: string
  readonly #init: Init
  readonly #resolve: (answer: GuardedAnswer) => void
  readonly #reject: (reason: unknown) => void
  #control: Dispatcher.DispatchController | undefined
  #body: IncomingBody | undefined
  #received = 0
  #cap: number
  #failure: unknown
  #late: NodeJS.Timeout | undefined

  constructor(host: string, init: Init, resolve: (answer: GuardedAnswer) => void, reject: (reason: unknown) => void) {
    this.#host = host
    this.#init = init
    this.#cap = init.maxBytes
    this.#resolve = resolve
    this.#reject = reject
    init.signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** For a body that is sent piece by piece: the dispatcher's own time begins anew with each piece (security T45). */
  boundSending(): void {
    this.#late = setTimeout(() => this.#stop(lateAnswer(this.#host)), this.#init.headersTimeoutMs).unref()
  }

  onRequestStart(control: Dispatcher.DispatchController): void {
    this.#control = control
    if (this.#failure !== undefined) control.abort(toError(this.#failure))
  }

  onResponseStart(control: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200) return
    clearTimeout(this.#late)
    this.#control = control
    try {
      this.#resolve(this.#createAnswer(control, status, headers))
    } catch (error) {
      this.#stop(error)
    }
  }

  onResponseData(_control: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#received += chunk.byteLength
    if (this.#received > this.#cap) return this.#stop(new AnswerTooLarge(this.#host, this.#init.maxBytes))
    this.#body?.push(chunk)
  }

  onResponseEnd(): void {
    this.#settle()
    if (this.#failure === undefined) this.#body?.end()
  }

  onResponseError(_control: Dispatcher.DispatchController, error: Error): void {
    this.fail(error)
  }

  fail(error: unknown): void {
    this.#settle()
    this.#failure ??= translate(error, this.#host)
    this.#reject(this.#failure)
    this.#body?.fail(this.#failure)
  }

  #createAnswer(control: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): GuardedAnswer {
    if (status >= 300 && status < 400) {
      throw refusal(this.#host, `it answered with a redirect (${status}), which is not followed`)
    }
    const cancel = (reason: unknown): void => this.#stop(reason)
    this.#body = new IncomingBody(control, cancel)
    return createAnswer({ status, headers, body: this.#body, maxBytes: this.#init.maxBytes, host: this.#host, cancel })
  }

  #stop(reason: unknown): void {
    this.#failure ??= reason
    this.#control?.abort(toError(reason))
    this.fail(reason)
  }

  readonly #onAbort = (): void => this.#stop(this.#init.signal?.reason)

  #settle(): void {
    clearTimeout(this.#late)
    this.#init.signal?.removeEventListener('abort', this.#onAbort)
  }
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error('aborted')
}

interface EncodedBody {
  readonly body: string | Uint8Array | Readable | null
  readonly headers?: Readonly<Record<string, string>>
}

function encodeBody(body: GuardedFetchInit['body']): EncodedBody {
  if (body instanceof URLSearchParams) {
    const headers = { 'content-type': 'application/x-www-form-urlencoded;charset=UTF-8' }
    return { body: body.toString(), headers }
  }
  if (typeof body === 'string' && isLong(body)) {
    const headers = { 'content-length': String(Buffer.byteLength(body)) }
    return { body: Readable.from(encodeInPieces(body), { objectMode: false }), headers }
  }
  return { body: body ?? null }
}

/** Compression is not asked for: it would hold back streamed events, and it is a way to send bombs. */
function encodeHeaders(given: GuardedFetchInit['headers'], ofBody: EncodedBody['headers']): Record<string, string> {
  const headers: Record<string, string> = { 'accept-encoding': 'identity', ...ofBody }
  if (given instanceof Headers) for (const [name, value] of given) headers[name] = value
  else for (const name in given) headers[name.toLowerCase()] = given[name] ?? ''
  return headers
}

const TIMEOUT_CODES = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'ETIMEDOUT',
])

/** The one place where the network's errors become ours. Reasons of an abort never come here: they are kept as they are. */
function translate(error: unknown, host: string): unknown {
  if (error instanceof GatewayError) return error
  if (findRefusal(error)) return refusal(host, 'its address is not a public one')
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'UND_ERR_INVALID_ARG') {
    return new GatewayError('upstream_invalid', `A request to ${host} could not be built.`, { cause: error })
  }
  if (typeof code === 'string' && TIMEOUT_CODES.has(code)) {
    return lateAnswer(host, error)
  }
  return new GatewayError('upstream_unavailable', `${host} could not be reached.`, { cause: error })
}

function lateAnswer(host: string, cause?: unknown): GatewayError {
  return new GatewayError('upstream_unavailable', `${host} did not answer in time.`, { cause })
}

function findRefusal(error: unknown): boolean {
  return error instanceof AddressRefused || (error instanceof AggregateError && error.errors.some(findRefusal))
}
