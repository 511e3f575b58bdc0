import type * as z from 'zod'
import type { HeaderSource } from '../http/headerSource.ts'
import { startDeadline } from '../timing/deadline.ts'
import { ask, type Question, type Sent, type Transport } from './ask.ts'
import type { ServiceSettings } from './serviceSettings.ts'
import { translateError } from './translateError.ts'

export interface ControlPlaneRequest<S extends z.ZodType> extends Question<S> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  readonly body?: unknown
}

/** A control plane's HTTP API: one pool of sockets, one credential, one deadline a request. */
export interface ControlPlane {
  readonly settings: ServiceSettings
  request<S extends z.ZodType>(request: ControlPlaneRequest<S>): Promise<z.output<S>>
  /** Opens an event stream, whatever the status of the answer; the headers arrive within the deadline. */
  openStream(path: string, headers: Record<string, string>, doing: string, signal: AbortSignal): Promise<OpenStream>
}

/** An answer that ends with its signal. Dispose of it when it has ended: no listener is left on the signal. */
export interface OpenStream extends Disposable {
  readonly response: Response
}

/** @param authorization what each request is sent with. */
export function createControlPlane(transport: Transport, authorization: HeaderSource): ControlPlane {
  const { base, http, timing, requestTimeoutMs, settings } = transport

  /** Sends with the credential, and once more with a new one if it is refused: 401 says that nothing was done. */
  async function sendAuthorized(
    path: string,
    headers: Record<string, string>,
    init: Omit<RequestInit, 'headers'>,
  ): Promise<Sent> {
    const signal = init.signal ?? undefined
    const send = async (authorized: Record<string, string>) => ({
      response: await http.fetch(base + path, { ...init, headers: { ...headers, ...authorized } }),
      secrets: Object.values(authorized).map((value) => value.replace(/^Bearer /, '')),
    })
    const authorized = await authorization.headers(signal)
    const sent = await send(authorized)
    if (sent.response.status !== 401) return sent
    const renewed = await authorization.headersAfterRefusal(authorized, signal)
    if (!renewed) return sent
    await sent.response.body?.cancel()
    return send(renewed)
  }

  return {
    settings,

    request(request) {
      const { method, path, body } = request
      const headers = { accept: 'application/json', ...(body ? { 'content-type': 'application/json' } : {}) }
      return ask(transport, request, (signal) =>
        sendAuthorized(path, headers, { method, signal, ...(body ? { body: JSON.stringify(body) } : {}) }),
      )
    },

    async openStream(path, headers, doing, signal) {
      using deadline = startDeadline({ timeoutMs: requestTimeoutMs, timing, what: doing })
      // The deadline is for the headers only, so it must not reach the body.
      const controller = new AbortController()
      const abort = () => controller.abort(signal.aborted ? signal.reason : deadline.signal.reason)
      const letGo = () => signal.removeEventListener('abort', abort)
      deadline.signal.addEventListener('abort', abort)
      if (signal.aborted) abort()
      else signal.addEventListener('abort', abort, { once: true })
      try {
        const { response } = await sendAuthorized(path, headers, { method: 'GET', signal: controller.signal })
        return { response, [Symbol.dispose]: letGo }
      } catch (error) {
        letGo()
        throw translateError(error, { doing, settings }, controller.signal)
      } finally {
        deadline.signal.removeEventListener('abort', abort)
      }
    },
  }
}
