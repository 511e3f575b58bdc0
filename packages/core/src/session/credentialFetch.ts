import { LatchkeyError } from '../errors.ts'
import type { Fetch } from '../http/httpClient.ts'
import type { Credential } from './credential.ts'

/**
 * What an MCP client sends through: adds the credential, to its own URL only; renews it once when it is refused (401 says
 * that the request was not executed); refuses redirects.
 *
 * @param onSend - Told of the credential's headers, before they are sent.
 */
export function createCredentialFetch(
  fetch: Fetch,
  credential: Credential,
  onSend?: (headers: Readonly<Record<string, string>>) => void,
): Fetch {
  const endpoint = new URL(credential.url)
  return async (url, init = {}) => {
    const target = new URL(url)
    if (target.origin !== endpoint.origin || target.pathname !== endpoint.pathname)
      throw new LatchkeyError('invalid_response', 'the MCP endpoint wanted its credential sent to another URL')
    const headers = Object.fromEntries(new Headers(init.headers))
    const send = (authorization: Record<string, string>) => {
      onSend?.(authorization)
      return fetch(url, { ...init, headers: { ...headers, ...authorization } })
    }
    const response = await sendOrRenew(send, credential, init.signal ?? undefined)
    if (response.status < 300 || response.status >= 400) return response
    await response.body?.cancel()
    throw new LatchkeyError('invalid_response', `the MCP endpoint answered with a redirect (HTTP ${response.status})`)
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
