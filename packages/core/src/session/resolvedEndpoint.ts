import type { Backend, EnsuredInstance, McpInstance } from '../backends/backend.ts'
import type { Fetch } from '../http/httpClient.ts'
import { scopeOf, type Subject } from '../readiness/subject.ts'
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
  readonly endpoint: (state: Pick<ReadyEndpoint, 'missing' | 'unavailable'>) => ReadyEndpoint
  readonly sessionOptions: () => McpSessionOptions
}

export function resolveEndpoint(
  backend: Backend,
  { instance, sessionToken, discoverResult }: EnsuredInstance,
  // The names that were asked for, and not those in the answer: a cache must not be keyed by what a server says.
  asked: Subject,
  { fetch, timing, requestTimeoutMs }: { fetch: Fetch; timing: Timing; requestTimeoutMs: number },
): ResolvedEndpoint {
  // A token that came with the answer is for every tool.
  const offered = asked.tools ? undefined : sessionToken
  const credential = createCredential(backend, instance, offered, timing, asked)
  const { userIdentifier, configName } = asked
  return {
    instance,
    key: {
      backendIdentity: backend.identity,
      userIdentifier,
      configName,
      endpointUrl: credential.url,
      credentialKind: credential.kind,
      scope: scopeOf(asked),
    },
    credential,
    endpoint: (state) =>
      new ReadyEndpoint({
        userIdentifier,
        config: configName,
        url: credential.url,
        headers: () => credential.headers(),
        ...state,
      }),
    sessionOptions: () => ({ credential, fetch, timing, requestTimeoutMs, discoverResult }),
  }
}
