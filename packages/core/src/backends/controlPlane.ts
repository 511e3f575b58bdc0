import type * as z from 'zod'
import { LatchkeyError } from '../errors.ts'
import type { HttpClient } from '../http/httpClient.ts'
import { parseJson } from '../http/parseJson.ts'
import { startDeadline } from '../timing/deadline.ts'
import type { Timing } from '../timing/timing.ts'
import { accessTokenResponseSchema } from '../wire/schemas.ts'
import { createRenewableToken, type FetchedToken } from '../http/renewableToken.ts'
import { parseRetryAfter, Retryable, retry } from './retry.ts'
import { translateAnswer, translateError } from './translateError.ts'

export interface ControlPlaneRequest<S extends z.ZodType> {
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly path: string
  readonly body?: unknown
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

/** The control plane's HTTP API: one pool of sockets, one access token, one deadline a request. */
export interface ControlPlane {
  request<S extends z.ZodType>(request: ControlPlaneRequest<S>): Promise<z.output<S>>
  /** Opens an event stream and gives the answer, whatever its status; the headers arrive within the deadline. */
  openStream(path: string, headers: Record<string, string>, doing: string, signal: AbortSignal): Promise<Response>
}

export interface ControlPlaneOptions {
  readonly url: string
  readonly clientId: string
  readonly clientSecret: string
  readonly http: HttpClient
  readonly timing: Timing
  /** Milliseconds that one request may take, retries included. */
  readonly requestTimeoutMs: number
}

export function createControlPlane(options: ControlPlaneOptions): ControlPlane {
  const { http, timing, requestTimeoutMs } = options
  const base = options.url.replace(/\/+$/, '')
  const accessToken = createRenewableToken((signal) => fetchAccessToken(options, base, signal), timing)

  /** Sends with the access token, and once more with a new one if it is refused: 401 says that nothing was done. */
  async function sendAuthorized(path: string, headers: Record<string, string>, init: Omit<RequestInit, 'headers'>) {
    const signal = init.signal ?? undefined
    const send = (token: string) =>
      http.fetch(base + path, { ...init, headers: { ...headers, authorization: `Bearer ${token}` } })
    const token = await accessToken.get(signal)
    const response = await send(token)
    if (response.status !== 401) return response
    const renewed = await accessToken.afterRefusal(token, signal)
    await response.body?.cancel()
    return send(renewed)
  }

  return {
    async request(request) {
      using deadline = startDeadline({
        timeoutMs: requestTimeoutMs,
        signal: request.signal,
        timing,
        what: request.doing,
      })
      const { signal } = deadline
      const { method, path, body } = request
      const headers = { accept: 'application/json', ...(body ? { 'content-type': 'application/json' } : {}) }
      const init = { method, signal, ...(body ? { body: JSON.stringify(body) } : {}) }
      const answer = await attempt(timing, signal, request, () => sendAuthorized(path, headers, init))
      return readAnswer(answer, request)
    },

    async openStream(path, headers, doing, signal) {
      using deadline = startDeadline({ timeoutMs: requestTimeoutMs, timing, what: doing })
      // The deadline is for the headers only, so it must not reach the body.
      const controller = new AbortController()
      const abort = () => controller.abort(signal.aborted ? signal.reason : deadline.signal.reason)
      deadline.signal.addEventListener('abort', abort)
      if (signal.aborted) abort()
      else signal.addEventListener('abort', abort, { once: true })
      try {
        const response = await sendAuthorized(path, headers, { method: 'GET', signal: controller.signal })
        if (!response.ok) signal.removeEventListener('abort', abort)
        return response
      } catch (error) {
        signal.removeEventListener('abort', abort)
        throw translateError(error, doing, controller.signal)
      } finally {
        deadline.signal.removeEventListener('abort', abort)
      }
    },
  }
}

interface Answer {
  readonly status: number
  readonly body: string
}

type Sent = Pick<ControlPlaneRequest<z.ZodType>, 'doing' | 'idempotent'>

/** Sends, reads the whole answer, and tries again what may be tried again. */
function attempt(timing: Timing, signal: AbortSignal, request: Sent, send: () => Promise<Response>): Promise<Answer> {
  const again = (error: LatchkeyError, retryAfterMs?: number) =>
    request.idempotent && !signal.aborted ? new Retryable(error, retryAfterMs) : error
  return retry(timing, signal, async () => {
    let response: Response
    let body: string
    try {
      response = await send()
      body = await response.text()
    } catch (error) {
      if (error instanceof LatchkeyError) throw error
      throw again(translateError(error, request.doing, signal))
    }
    if (![429, 502, 503, 504].includes(response.status)) return { status: response.status, body }
    const retryAfterMs = parseRetryAfter(response.headers.get('retry-after'), timing.now())
    throw again(translateAnswer({ status: response.status, body }, request.doing), retryAfterMs)
  })
}

function readAnswer<S extends z.ZodType>(answer: Answer, request: ControlPlaneRequest<S>): z.output<S> {
  const { status, body } = answer
  if (status < 200 || status > 299) throw request.refused?.(status, body) ?? translateAnswer(answer, request.doing)
  const parsed = request.schema.safeParse(parseJson(body))
  if (parsed.success) return parsed.data
  throw new LatchkeyError(
    'invalid_response',
    `${request.doing} failed: the answer is not the control plane's; check that LATCHKEY_URL (or \`url\`) points to one`,
  )
}

/** RFC 6749, section 4.4: client credentials, in the body. */
async function fetchAccessToken(
  options: ControlPlaneOptions,
  base: string,
  signal: AbortSignal,
): Promise<FetchedToken> {
  const { clientId, clientSecret, http, timing, requestTimeoutMs } = options
  const request = {
    doing: 'getting an access token',
    idempotent: true,
    schema: accessTokenResponseSchema,
    refused: (status: number) => {
      if (status === 404) return wrongAddress(request.doing)
      return status === 400 || status === 401 || status === 403 ? refusedClient(clientId) : undefined
    },
  }
  using deadline = startDeadline({ timeoutMs: requestTimeoutMs, signal, timing, what: request.doing })
  const answer = await attempt(timing, deadline.signal, request, () =>
    http.fetch(`${base}/oauth/token`, {
      method: 'POST',
      headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: clientId,
        client_secret: clientSecret,
      }).toString(),
      signal: deadline.signal,
    }),
  )
  const token = readAnswer(answer, { ...request, method: 'POST', path: '' })
  return { value: token.access_token, expiresInMs: token.expires_in * 1_000 }
}

/** Whatever speaks here, a control plane has this path. */
function wrongAddress(doing: string): LatchkeyError {
  return new LatchkeyError(
    'invalid_response',
    `${doing} failed: HTTP 404; check that LATCHKEY_URL (or \`url\`) is the address of a control plane`,
  )
}

function refusedClient(clientId: string): LatchkeyError {
  return new LatchkeyError(
    'unauthorized',
    `the control plane refused client "${clientId}": check LATCHKEY_CLIENT_ID and LATCHKEY_CLIENT_SECRET (or \`clientId\` and \`clientSecret\`)`,
  )
}
