import { LatchkeyError } from '../errors.ts'
import { parseJsonObject } from '../http/parseJson.ts'
import type { Fetch } from '../http/httpClient.ts'
import type { Credential } from './credential.ts'
import { guardStreamEnd } from './streamEndGuard.ts'

/**
 * What the MCP client sends through: adds the credential, to its own URL only; renews it once when it is refused (401
 * says that the request was not executed); refuses redirects; ends answers that stop in the middle.
 */
export function createMcpFetch(fetch: Fetch, credential: Credential): Fetch {
  const endpoint = new URL(credential.url)
  return async (url, init = {}) => {
    const target = new URL(url)
    if (target.origin !== endpoint.origin || target.pathname !== endpoint.pathname)
      throw new LatchkeyError('invalid_response', 'the MCP endpoint wanted its credential sent to another URL')
    const headers = new Headers(init.headers)
    // The stream for unasked messages costs one open socket for each user, and nothing here listens to it.
    if (init.method === 'GET' && !headers.has('last-event-id')) return new Response(null, { status: 405 })
    const send = (authorization: Record<string, string>) =>
      fetch(url, { ...init, headers: { ...Object.fromEntries(headers), ...authorization } })
    const signal = init.signal ?? undefined
    const response = await sendOrRenew(send, credential, signal)
    if (response.status >= 300 && response.status < 400) {
      await response.body?.cancel()
      throw new LatchkeyError('invalid_response', `the MCP endpoint answered with a redirect (HTTP ${response.status})`)
    }
    return guardStreamEnd(response, () => requestId(init.body))
  }
}

async function sendOrRenew(
  send: (authorization: Record<string, string>) => Promise<Response>,
  credential: Credential,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const authorization = await credential.headers(signal)
  const response = await send(authorization)
  if (response.status !== 401) return response
  const renewed = await credential.headersAfterRefusal(authorization, signal)
  if (!renewed) return response
  await response.body?.cancel()
  return send(renewed)
}

function requestId(body: unknown): string | number | undefined {
  const { id, method } = typeof body === 'string' ? parseJsonObject(body) : {}
  return method !== undefined && (typeof id === 'string' || typeof id === 'number') ? id : undefined
}
