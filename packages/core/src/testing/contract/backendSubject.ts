import type { Backend } from '../../backends/backend.ts'
import type { Fetch } from '../../http/httpClient.ts'
import type { Timing } from '../../timing/timing.ts'
import type { UserTools } from '../../tools/userTools.ts'

/** What the backend has to use instead of the machine's own: only so can the suite see and spoil what it sends. */
export interface BackendSeams {
  readonly fetch: Fetch
  readonly timing: Timing
}

/** A request that the backend, or the MCP client, has sent. */
export interface SentRequest {
  readonly method: string
  readonly url: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Whether it went to the MCP endpoint and not to the control plane. */
  readonly isMcp: boolean
}

/**
 * A backend under test, with the service behind it. The service is started and stopped by whoever runs the suite; users have
 * fresh names in each case. What is absent is not tried, and the cases that need it say so in `skipped`.
 */
export interface BackendSubject {
  /** A config that the service has. */
  readonly configName: string
  /** Opens the backend as a process that has just started does: with the same credential, and nothing in memory. */
  open(seams: BackendSeams): Backend | Promise<Backend>
  /** Finds out, by calling a tool, for which user these tools act. */
  identify(tools: UserTools): Promise<string>
  /** Does what the person does at the links: afterwards everything that the config needs is ACTIVE. */
  authorize?(userIdentifier: string): void | Promise<void>
  /** Makes the service refuse from now on every access token and session token that it has given. */
  endTokens?(): void | Promise<void>
  /** Whether a request makes links. */
  mintsLinks?(request: SentRequest): boolean
  /** What leads to the service and to the MCP endpoint. Default: the network. */
  readonly fetch?: Fetch
  /** The backend itself sends no requests, so none can be spoilt. */
  readonly offline?: boolean
  /** It looks at no config, so none is unknown to it. */
  readonly anyConfig?: boolean
}
