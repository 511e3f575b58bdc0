import type { Backend, EnsuredInstance, McpInstance } from '../backends/backend.ts'
import type { Fetch } from '../http/httpClient.ts'
import type { Timing } from '../timing/timing.ts'
import { createCredential, type Credential } from './credential.ts'
import type { McpSessionOptions } from './mcpSession.ts'
import { ReadyEndpoint } from './readyEndpoint.ts'
import type { SessionKey } from './sessionPool.ts'

/** A user's endpoint, with all that is needed to make a session to it at any time. */
export interface ResolvedEndpoint {
  readonly instance: McpInstance
  readonly key: SessionKey
  readonly credential: Credential
  readonly endpoint: ReadyEndpoint
  readonly sessionOptions: () => McpSessionOptions
}

export function resolveEndpoint(
  backend: Backend,
  { instance, sessionToken, discoverResult }: EnsuredInstance,
  // The names that were asked for, and not those in the answer: a cache must not be keyed by what a server says.
  asked: { userIdentifier: string; configName: string },
  { fetch, timing, requestTimeoutMs }: { fetch: Fetch; timing: Timing; requestTimeoutMs: number },
): ResolvedEndpoint {
  const credential = createCredential(backend, instance, sessionToken, timing)
  return {
    instance,
    key: {
      backendIdentity: backend.identity,
      ...asked,
      endpointUrl: credential.url,
      credentialKind: credential.kind,
    },
    credential,
    endpoint: new ReadyEndpoint({
      userIdentifier: asked.userIdentifier,
      config: asked.configName,
      url: credential.url,
      headers: () => credential.headers(),
    }),
    sessionOptions: () => ({ credential, fetch, timing, requestTimeoutMs, discoverResult }),
  }
}
