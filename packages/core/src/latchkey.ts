import type { MagicLink, McpInstance, UserRevocation } from './backends/backend.ts'
import type { McpClient, McpFileClient, McpServerForms } from './clients/mcpServerForms.ts'
import type { LatchkeyError } from './errors.ts'
import type { ConnectionState } from './readiness/connectionState.ts'
import type { Requirement } from './readiness/requirement.ts'
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
  /** Which connections are waited for. Default: all. */
  require?: Requirement | undefined
  /** Milliseconds. Default: that of `createLatchkey`. */
  timeoutMs?: number | undefined
  /** Called with what is pending at the start, and whenever that changes. Without links. */
  onPending?: ((pending: readonly ConnectionState[]) => unknown) | undefined
}

export interface ReadyOptions extends ConfigOptions {
  /**
   * Which connections must be ACTIVE: `all` (the default), `any` (one is enough), or a list of their names. What is
   * missing beyond that is in `missing`, with links; its tools are there at the first call after it became ACTIVE.
   */
  require?: Requirement | undefined
  /**
   * Only these tools: names as the endpoint lists them (`mcpName`), in which `*` stands for any characters. The gateway
   * enforces it, because the session token is made for these alone. Default: every tool of the config.
   */
  tools?: readonly string[] | undefined
  /**
   * Called with the connections that the user has to authorize, with their links; the wait goes on meanwhile. Links that
   * expire before they were used are made anew, and it is called with these; that happens once. Without it, the call
   * rejects at once with code `authorization_required`, and the error has the links.
   *
   * What `require` can do without is told once for each link, and not waited for.
   */
  onAuthorizationRequired?: ((connections: readonly ConnectionState[]) => unknown) | undefined
  /** Called with what the wait is for, at its start and whenever that changes. Without links. */
  onPending?: ((pending: readonly ConnectionState[]) => unknown) | undefined
  /** Milliseconds for everything together. Default: that of `createLatchkey`. */
  timeoutMs?: number | undefined
}

export interface PendingOptions extends ConfigOptions, Pick<ReadyOptions, 'require'> {}

export interface ResumeOptions
  extends CallOptions, Pick<ReadyOptions, 'onAuthorizationRequired' | 'onPending' | 'timeoutMs'> {
  /**
   * Who it must be for: whoever is signed in, where the handle comes from a browser. Anybody else's is refused. Default:
   * the handle is believed, because only the app could make it.
   */
  userIdentifier?: string | undefined
}

/** A wait that can be put away. */
export interface PendingUser {
  /** For `resume`, in whatever process has the same client credentials. It names the user and holds no secret. */
  readonly handle: string
  /** What the user has to authorize, with links. */
  readonly connections: readonly ConnectionState[]
}

export interface ReadyManyOptions extends ConfigOptions, Pick<ReadyOptions, 'require' | 'tools' | 'timeoutMs'> {
  /** How many users are under way at the same time. Default 8. */
  concurrency?: number | undefined
}

/** What came of each user, once, in no order. */
export interface ReadyManyReport {
  readonly ready: readonly ReadyEndpoint[]
  /** Who has to authorize something first, with links. */
  readonly pending: readonly { readonly userIdentifier: string; readonly connections: readonly ConnectionState[] }[]
  readonly failed: readonly { readonly userIdentifier: string; readonly error: LatchkeyError }[]
}

export interface MagicLinkOptions extends CallOptions {
  /** Given back at `userVerifyUrl`, so that the app can tell that it began this itself: random, kept in a cookie. */
  state?: string | undefined
  /** Where the browser goes after the consent. The control plane must allow its origin. Default: what it is set to. */
  userVerifyUrl?: string | undefined
}

/** As for `ready`. */
export type UserToolsOptions = ReadyOptions

interface NamedServer {
  /** What the client calls the server. Default: the name of the MCP config. */
  name?: string | undefined
}

/** Whoever reads a file waits for nothing; the others are made ready, as by `ready`. */
export type McpServerOptions<Client extends McpClient> = NamedServer &
  (Client extends McpFileClient ? ConfigOptions : ReadyOptions)

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
   * What the user still has to authorize, with links and a handle for the wait, which can be put into a queue, a cookie or
   * a database; undefined if nothing is pending. Waits for nothing.
   *
   * @throws {LatchkeyError} what `ensureInstance` throws; `rejected` where the backend has no pending handles.
   * @example
   * const pending = await latchkey.pending('user_123')
   * if (pending) return Response.json({ handle: pending.handle }, { status: 202 })
   */
  pending(userIdentifier: string, options?: PendingOptions): Promise<PendingUser | undefined>

  /**
   * Goes on with the wait of a handle, here and now: waits until its user has authorized what is required, and gives the
   * endpoint. The user has the links already; with `onAuthorizationRequired`, fresh ones are made and shown.
   *
   * @throws {LatchkeyError} `rejected` if the handle is not one of this app's, or another user's; else as `ready`.
   */
  resume(handle: string, options?: ResumeOptions): Promise<ReadyEndpoint>

  /**
   * `ready` for many users, a few at a time, such as for a nightly job. It waits for nobody: who has something to authorize
   * is in the report, and so is whose endpoint failed, and why.
   *
   * @throws {TypeError} when an option is wrong. No user's failure makes it reject.
   */
  readyMany(userIdentifiers: Iterable<string>, options?: ReadyManyOptions): Promise<ReadyManyReport>

  /**
   * The pre-authenticated MCP URL of the user: whoever has it has the user's tools. Prefer `ready`.
   *
   * @throws {LatchkeyError} what `ensureInstance` throws; `rejected` where the backend has no such URLs.
   */
  mcpUrl(userIdentifier: string, options?: ConfigOptions): Promise<string>

  /**
   * The configuration that another MCP client takes as it is, to reach this user's endpoint. For a client that reads it
   * from a file it holds the pre-authenticated URL, so the file is a secret; the others are given a session token, by
   * which `tools` can be enforced. `McpServerForms` has the form of each.
   *
   * @throws {LatchkeyError} what `ready` throws; for a file, what `mcpUrl` throws. A `TypeError` when there is no such client.
   * @example
   * await writeFile('mcp.json', JSON.stringify(await latchkey.mcpServer('user_123', 'vscode')), { mode: 0o600 })
   * const client = await createMCPClient(await latchkey.mcpServer('user_123', 'ai-sdk'))
   */
  mcpServer<Client extends McpClient>(
    userIdentifier: string,
    client: Client,
    options?: McpServerOptions<Client>,
  ): Promise<McpServerForms[Client]>

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

  /**
   * Ends every wait and every tool call that is under way with code `aborted`, then closes sessions and sockets. Calls after
   * it reject with a `TypeError`. Idempotent.
   */
  close(): Promise<void>
}
