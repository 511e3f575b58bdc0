import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import { GatewayError } from '../errors.ts'
import type { GuardedFetchInit } from '../services.ts'
import { cappedBody, isEncoded, tooLarge } from './cappedBody.ts'
import { AddressRefused, refusal } from './outboundPolicy.ts'

type Init = GuardedFetchInit & Required<Pick<GuardedFetchInit, 'maxBytes' | 'headersTimeoutMs' | 'bodyIdleTimeoutMs'>>

/**
 * Sends one request and gives the answer as its headers arrive. Written on the dispatcher's own handler and not on
 * `fetch`, whose layers cost more than the rest of a relayed tool call.
 */
export function sendGuarded(dispatcher: Dispatcher, url: URL, init: Init): Promise<Response> {
  const { promise, resolve, reject } = Promise.withResolvers<Response>()
  const exchange = new Exchange(url.host, init, resolve, reject)
  const { body, contentType } = encodeBody(init.body)
  try {
    dispatcher.dispatch(
      {
        origin: url.origin,
        path: url.pathname + url.search,
        method: init.method ?? 'GET',
        headers: encodeHeaders(init.headers, contentType),
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

/** One request and its answer: turns the dispatcher's callbacks into a `Response`, and foreign errors into ours. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #host: string
  readonly #init: Init
  readonly #resolve: (response: Response) => void
  readonly #reject: (reason: unknown) => void
  #control: Dispatcher.DispatchController | undefined
  #body: ReadableStreamDefaultController<Uint8Array> | undefined
  #received = 0
  #cap: number
  #failure: unknown

  constructor(host: string, init: Init, resolve: (response: Response) => void, reject: (reason: unknown) => void) {
    this.#host = host
    this.#init = init
    this.#cap = init.maxBytes
    this.#resolve = resolve
    this.#reject = reject
    init.signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  onRequestStart(control: Dispatcher.DispatchController): void {
    this.#control = control
    if (this.#failure !== undefined) control.abort(toError(this.#failure))
  }

  onResponseStart(control: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200) return
    this.#control = control
    try {
      this.#resolve(this.#createResponse(status, headers))
    } catch (error) {
      this.#stop(error)
    }
  }

  onResponseData(control: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#received += chunk.byteLength
    if (this.#received > this.#cap) return this.#stop(tooLarge(this.#host, this.#init.maxBytes))
    this.#body?.enqueue(chunk)
    if ((this.#body?.desiredSize ?? 1) <= 0) control.pause()
  }

  onResponseEnd(): void {
    this.#settle()
    if (this.#failure === undefined) this.#body?.close()
  }

  onResponseError(_control: Dispatcher.DispatchController, error: Error): void {
    this.fail(error)
  }

  fail(error: unknown): void {
    this.#settle()
    this.#failure ??= translate(error, this.#host)
    this.#reject(this.#failure)
    this.#body?.error(this.#failure)
  }

  #createResponse(status: number, headers: IncomingHttpHeaders): Response {
    if (status >= 300 && status < 400) {
      throw refusal(this.#host, `it answered with a redirect (${status}), which is not followed`)
    }
    const contentEncoding = headers['content-encoding']
    const answer = { status, headers: decodeHeaders(headers) }
    if (status === 204 || status === 205 || this.#init.method === 'HEAD') return new Response(null, answer)
    const raw = this.#createBody()
    if (!isEncoded(contentEncoding)) return new Response(raw, answer)
    answer.headers.delete('content-encoding')
    answer.headers.delete('content-length')
    const { maxBytes } = this.#init
    return new Response(cappedBody(raw, { contentEncoding, maxBytes, host: this.#host }), answer)
  }

  #createBody(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#body = controller
        },
        pull: () => this.#control?.resume(),
        cancel: (reason: unknown) => {
          this.#body = undefined
          this.#stop(reason ?? new Error('cancelled'))
        },
      },
      { highWaterMark: 64 * 1024, size: (chunk) => chunk.byteLength },
    )
  }

  #stop(reason: unknown): void {
    this.#failure ??= reason
    this.#control?.abort(toError(reason))
    this.fail(reason)
  }

  readonly #onAbort = (): void => this.#stop(this.#init.signal?.reason)

  #settle(): void {
    this.#init.signal?.removeEventListener('abort', this.#onAbort)
  }
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error('aborted')
}

function encodeBody(body: GuardedFetchInit['body']): { body: string | Uint8Array | null; contentType?: string } {
  if (body instanceof URLSearchParams) {
    return { body: body.toString(), contentType: 'application/x-www-form-urlencoded;charset=UTF-8' }
  }
  return { body: body ?? null }
}

/** Compression is not asked for: it would hold back streamed events, and it is a way to send bombs. */
function encodeHeaders(given: GuardedFetchInit['headers'], contentType: string | undefined): Record<string, string> {
  const headers: Record<string, string> = {
    'accept-encoding': 'identity',
    ...(contentType === undefined ? undefined : { 'content-type': contentType }),
  }
  if (given instanceof Headers) for (const [name, value] of given) headers[name] = value
  else for (const name in given) headers[name.toLowerCase()] = given[name] ?? ''
  return headers
}

function decodeHeaders(headers: IncomingHttpHeaders): Headers {
  const decoded = new Headers()
  for (const name in headers) {
    const value = headers[name]
    if (typeof value === 'string') decoded.append(name, value)
    else for (const item of value ?? []) decoded.append(name, item)
  }
  return decoded
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
    return new GatewayError('upstream_unavailable', `${host} did not answer in time.`, { cause: error })
  }
  return new GatewayError('upstream_unavailable', `${host} could not be reached.`, { cause: error })
}

function findRefusal(error: unknown): boolean {
  return error instanceof AddressRefused || (error instanceof AggregateError && error.errors.some(findRefusal))
}
