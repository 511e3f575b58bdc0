import type { MagicLink, McpInstance, UserRevocation } from './backends/backend.ts'
import type { ConnectionState } from './readiness/connectionState.ts'
import type { ReadyEndpoint } from './session/readyEndpoint.ts'
import type { UserTools } from './tools/userTools.ts'

export interface CallOptions {
  /** Aborts the call, which then rejects with code `aborted`. */
  signal?: AbortSignal | undefined
}

export interface ConfigOptions extends CallOptions {
  /** The name of the MCP config. Default: the one given to `createLatchkey`, or `LATCHKEY_CONFIG`. */
  config?: string | undefined
}

export interface GetAuthStateOptions extends CallOptions {
  /** Mint a fresh link for each connection that is not ACTIVE. Each call mints new ones: ask once. Default false. */
  includeAuthLinks?: boolean | undefined
}

export interface WaitForAuthOptions extends CallOptions {
  /** Milliseconds. Default: that of `createLatchkey`. */
  timeoutMs?: number | undefined
  /** Called with what is pending at the start, and whenever that changes. Without links. */
  onPending?: ((pending: readonly ConnectionState[]) => unknown) | undefined
}

export interface ReadyOptions extends ConfigOptions {
  /**
   * Called once with the connections that the user has to authorize, with their links; the wait goes on meanwhile.
   * Without it, the call rejects at once with code `authorization_required`, and the error has the links.
   */
  onAuthorizationRequired?: ((connections: readonly ConnectionState[]) => unknown) | undefined
  /** Milliseconds for everything together. Default: that of `createLatchkey`. */
  timeoutMs?: number | undefined
}

export interface MagicLinkOptions extends CallOptions {
  /** Given back at `userVerifyUrl`, so that the app can tell that it began this itself: random, kept in a cookie. */
  state?: string | undefined
  /** Where the browser goes after the consent. The control plane must allow its origin. Default: what it is set to. */
  userVerifyUrl?: string | undefined
}

/** As for `ready`. */
export type UserToolsOptions = ReadyOptions

/** What another MCP client needs to reach a user's endpoint. Holds a secret, in plain sight. */
export interface McpServerConfig {
  readonly url: string
  readonly headers: Record<string, string>
}

/** One user's tools, for as many users as there are. Made by `createLatchkey`. */
export interface Latchkey extends AsyncDisposable {
  /**
   * Finds or makes the user's MCP instance. Idempotent.
   *
   * @throws {LatchkeyError} `invalid_user_identifier`, `unknown_config`, `unauthorized`, `unavailable`,
   * `invalid_response`, `timeout`, `aborted`.
   */
  ensureInstance(userIdentifier: string, options?: ConfigOptions): Promise<McpInstance>

  /**
   * The state of every connection that the instance needs.
   *
   * @throws {LatchkeyError} `unauthorized`, `unavailable`, `rejected`, `invalid_response`, `timeout`, `aborted`.
   */
  getAuthState(instanceId: string, options?: GetAuthStateOptions): Promise<readonly ConnectionState[]>

  /**
   * Waits until every connection of the instance is ACTIVE: wakes on a pushed event, and polls slowly besides. Show the
   * links (`getAuthState` with `includeAuthLinks`) before.
   *
   * @throws {LatchkeyError} `authorization_failed`, `authorization_timeout`, `aborted`, each with what is still missing
   * in `error.connections`; or what `getAuthState` throws.
   */
  waitForAuth(instanceId: string, options?: WaitForAuthOptions): Promise<readonly ConnectionState[]>

  /**
   * All of it under one deadline: ensures the instance, has the user authorize what is missing, and makes sure that the
   * endpoint lists tools.
   *
   * @throws {LatchkeyError} `authorization_required`, `authorization_timeout`, `authorization_failed`, `not_ready`, and
   * what `ensureInstance` throws.
   * @example
   * const endpoint = await latchkey.ready('user_123', {
   *   onAuthorizationRequired: (connections) => {
   *     for (const { connectionName, authenticationLink } of connections) show(connectionName, authenticationLink)
   *   },
   * })
   * await fetch(endpoint.url, { headers: await endpoint.headers() })
   */
  ready(userIdentifier: string, options?: ReadyOptions): Promise<ReadyEndpoint>

  /**
   * The pre-authenticated MCP URL of the user: whoever has it has the user's tools. Prefer `ready`.
   *
   * @throws {LatchkeyError} what `ensureInstance` throws; `rejected` where the backend has no such URLs.
   */
  mcpUrl(userIdentifier: string, options?: ConfigOptions): Promise<string>

  /**
   * `ready`, in the shape that other MCP clients take. The token in it ends within an hour: use `userTools`, or
   * `endpoint.headers()`, for something that lives longer.
   *
   * @example
   * const server = await latchkey.mcpServerConfig('user_123')
   * new MultiServerMCPClient({ mcpServers: { user: { transport: 'http', ...server } } })
   * await createMCPClient({ transport: { type: 'http', ...server } })
   */
  mcpServerConfig(userIdentifier: string, options?: ReadyOptions): Promise<McpServerConfig>

  /**
   * The user's tools, bound to the user. What is known already is not asked again: a second call makes no request while
   * the endpoint's list is fresh.
   *
   * @throws {LatchkeyError} what `ready` throws.
   */
  userTools(userIdentifier: string, options?: UserToolsOptions): Promise<UserTools>

  /**
   * A fresh link with which the user connects one account. Prefer `createUserVerification`, which makes one when the
   * user comes for it, and verifies who consented.
   *
   * @throws {LatchkeyError} `rejected` where there is no such connection, the URL is not allowed, or the backend has no
   * user verification; `invalid_user_identifier`, `unauthorized`, `unavailable`, `invalid_response`, `timeout`, `aborted`.
   */
  createMagicLink(userIdentifier: string, connectionName: string, options?: MagicLinkOptions): Promise<MagicLink>

  /**
   * Says that the person who consented is this user: by the app's own session, never by what a URL says. Works once.
   *
   * @throws {LatchkeyError} `rejected` if the link was made for somebody else, or it is too late; what was consented is
   * then destroyed. Otherwise as `createMagicLink`.
   */
  verifyUser(userIdentifier: string, authRequestId: string, options?: CallOptions): Promise<void>

  /**
   * Ends everything of a user, such as one who has left: session tokens, URLs, links, calls and streams under way,
   * accounts, and the grants upstream, as far as the providers offer that. The user can begin anew afterwards.
   *
   * @throws {LatchkeyError} `rejected` where the backend cannot do that in one call; `invalid_user_identifier`,
   * `unauthorized`, `unavailable`, `invalid_response`, `timeout`, `aborted`. Call it again then: it finishes what is left.
   * @example
   * const { connectedAccounts } = await latchkey.revokeUser('user_123')
   * const alive = connectedAccounts.filter(({ upstreamRevocation }) => upstreamRevocation === 'failed')
   */
  revokeUser(userIdentifier: string, options?: CallOptions): Promise<UserRevocation>

  /** Ends every wait with code `aborted`, closes sessions and sockets. Calls after it reject with a `TypeError`. Idempotent. */
  close(): Promise<void>
}
