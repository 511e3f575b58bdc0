import { Agent, fetch as undiciFetch, type Dispatcher, type RequestInit as UndiciRequestInit } from 'undici'

/** The subset of `fetch` that core uses. A seam: pass your own to see or to replace what goes over the network. */
export type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>

/** One pool of sockets, and a `fetch` over it that never follows a redirect. */
export interface HttpClient {
  readonly fetch: Fetch
  /** Closes the sockets that were opened here. Idempotent. */
  close(): Promise<void>
}

/**
 * @param dispatcher an undici dispatcher to use instead of an own one; it is then not closed here.
 * @param fetch replaces the pool altogether.
 * @param endless whether an answer may take as long as it likes: whoever asks has a timer of its own. Default: undici's
 * 300 s for the headers, and between two pieces of the body.
 */
export function createHttpClient({
  dispatcher,
  fetch,
  endless = false,
}: { dispatcher?: Dispatcher | undefined; fetch?: Fetch | undefined; endless?: boolean } = {}): HttpClient {
  if (fetch) return { fetch: (url, init) => fetch(url, { ...init, redirect: 'manual' }), close: async () => {} }
  const limits = endless ? { headersTimeout: 0, bodyTimeout: 0 } : {}
  // undici keeps an idle socket for 4 s where the server does not say for how long, and most servers end it after 5 s: with
  // a longer time of ours a call could go out over a socket that is just being ended, and nobody knew whether it was made.
  // Over HTTP/2 undici would send a call again by itself where a server, or a proxy, says that it was not carried out.
  const agent = dispatcher ?? new Agent({ allowH2: false, connect: { timeout: 5_000 }, ...limits })
  return {
    fetch: (url, init) => send(agent, url, init),
    // `destroy` and not `close`: an event stream that is still open would be waited for.
    close: async () => {
      if (agent !== dispatcher) await agent.destroy()
    },
  }
}

function send(dispatcher: Dispatcher, url: string | URL, init: RequestInit = {}): Promise<Response> {
  const headers = Object.fromEntries(new Headers(init.headers))
  // A redirect could carry the credential, or the secret of the URL, somewhere else.
  // undici's own types and Node's global ones describe the same objects.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const request = { ...init, headers, redirect: 'manual', dispatcher } as UndiciRequestInit
  const response: unknown = undiciFetch(url, request)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return response as Promise<Response>
}
