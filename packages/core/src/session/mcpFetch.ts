import { parseJsonObject } from '../http/parseJson.ts'
import type { Fetch } from '../http/httpClient.ts'
import type { Credential } from './credential.ts'
import { createCredentialFetch } from './credentialFetch.ts'
import type { SentSecrets } from './sentSecrets.ts'
import { guardStreamEnd } from './streamEndGuard.ts'

/** What core's own MCP client sends through: with the credential; and answers that stop in the middle are ended. */
export function createMcpFetch(fetch: Fetch, credential: Credential, secrets: SentSecrets): Fetch {
  const send = createCredentialFetch(fetch, credential, (headers) => secrets.note(headers))
  return async (url, init = {}) => {
    // The stream for unasked messages costs one open socket for each user, and nothing here listens to it.
    if (init.method === 'GET' && !new Headers(init.headers).has('last-event-id'))
      return new Response(null, { status: 405 })
    return guardStreamEnd(await send(url, init), () => requestId(init.body))
  }
}

function requestId(body: unknown): string | number | undefined {
  const { id, method } = typeof body === 'string' ? parseJsonObject(body) : {}
  return method !== undefined && (typeof id === 'string' || typeof id === 'number') ? id : undefined
}
