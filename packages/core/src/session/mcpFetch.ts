import { parseJsonObject } from '../http/parseJson.ts'
import type { Fetch } from '../http/httpClient.ts'
import type { Credential } from './credential.ts'
import { createCredentialFetch } from './credentialFetch.ts'
import type { SentSecrets } from './sentSecrets.ts'
import { guardStreamEnd } from './streamEndGuard.ts'

/** The id of a JSON-RPC request. */
type RequestId = string | number

/**
 * What core's own MCP client sends through: with the credential; and answers that stop in the middle are ended.
 *
 * @param onLeft - Told that a request leaves, and that it counts as not sent after all: 401 says that it was not executed.
 */
export function createMcpFetch(
  fetch: Fetch,
  credential: Credential,
  secrets: SentSecrets,
  onLeft: (id: RequestId, hasLeft: boolean) => void,
): Fetch {
  const noting: Fetch = async (url, init = {}) => {
    const id = requestId(init.body)
    // Given up while its credential was got: whoever gave it up was told that it had not left.
    init.signal?.throwIfAborted()
    if (id !== undefined) onLeft(id, true)
    const response = await fetch(url, init)
    if (id !== undefined && response.status === 401) onLeft(id, false)
    return response
  }
  const send = createCredentialFetch(noting, credential, (headers) => secrets.note(headers))
  return async (url, init = {}) => {
    // The stream for unasked messages costs one open socket for each user, and nothing here listens to it.
    if (init.method === 'GET' && !new Headers(init.headers).has('last-event-id'))
      return new Response(null, { status: 405 })
    return guardStreamEnd(await send(url, init), () => requestId(init.body))
  }
}

function requestId(body: unknown): RequestId | undefined {
  const { id, method } = typeof body === 'string' ? parseJsonObject(body) : {}
  return method !== undefined && (typeof id === 'string' || typeof id === 'number') ? id : undefined
}
