import { EventEmitter, once } from 'node:events'
import type { Fetch } from '../../http/httpClient.ts'
import type { SentRequest } from './backendSubject.ts'

/** Answers instead of the service, or after it: `pass` sends the request. */
export type Tap = (
  request: SentRequest,
  pass: () => Promise<Response>,
  signal: AbortSignal | undefined,
) => Promise<Response>

/** Everything that is sent goes through here. */
export class Network {
  readonly sent: SentRequest[] = []
  /** Asked about every request; undefined: all of them are passed on. */
  tap: Tap | undefined
  readonly #next: Fetch
  readonly #events = new EventEmitter()

  constructor(next: Fetch = (url, init) => globalThis.fetch(url, init)) {
    this.#next = next
    this.#events.setMaxListeners(0)
  }

  readonly fetch: Fetch = async (url, init = {}) => {
    const body = typeof init.body === 'string' ? init.body : ''
    const request: SentRequest = {
      method: init.method ?? 'GET',
      url: new URL(url).href,
      headers: Object.fromEntries(new Headers(init.headers)),
      body,
      isMcp: body.includes('"jsonrpc"'),
    }
    this.sent.push(request)
    this.#events.emit('sent')
    const signal = init.signal ?? undefined
    signal?.throwIfAborted()
    const pass = () => this.#next(url, { ...init, redirect: 'manual' })
    const response = await (this.tap ? this.tap(request, pass, signal) : pass())
    const location = response.headers.get('location')
    // Whoever forgets to refuse redirects follows them, as `fetch` would.
    const isFollowed = init.redirect !== 'manual' && response.status >= 300 && response.status < 400
    return isFollowed && location !== null ? await this.fetch(new URL(location, request.url), init) : response
  }

  /** Those to the control plane. */
  get asked(): readonly SentRequest[] {
    return this.sent.filter(({ isMcp }) => !isMcp)
  }

  /** Resolves when another request is sent. */
  async nextRequest(): Promise<void> {
    await once(this.#events, 'sent')
  }

  /** Answers of the control plane are changed on their way. */
  rewrite(change: (body: string, request: SentRequest) => string): void {
    this.tap = async (request, pass) => {
      const response = await pass()
      if (request.isMcp || !response.ok || !isJson(response)) return response
      const { status } = response
      return new Response(change(await response.text(), request), {
        status,
        headers: { 'content-type': 'application/json' },
      })
    }
  }

  /** Requests to the control plane are answered so, as long as it gives an answer. */
  answer(
    respond: (request: SentRequest, signal: AbortSignal | undefined) => Response | Promise<Response> | undefined,
  ): void {
    this.tap = async (request, pass, signal) =>
      (request.isMcp ? undefined : await respond(request, signal)) ?? (await pass())
  }
}

function isJson(response: Response): boolean {
  return /\bjson\b/.test(response.headers.get('content-type') ?? '')
}

/** Whether it asks for an access token, without which no question is asked (RFC 6749, section 3.2). */
export function isAboutToken({ body, url }: SentRequest): boolean {
  return body.includes('grant_type=') || new URL(url).pathname.endsWith('/oauth/token')
}
