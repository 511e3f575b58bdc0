import type { ConnectionState } from '../readiness/connectionState.ts'

/**
 * One user's realisation of one MCP config. An agent connects to `mcpServerUrl` with a session token where there are both,
 * else to `url`. What a service has no instances for, its backend makes up: the id must lead to the user by itself, in
 * whatever process, and it must not be possible to make one up for somebody else.
 */
export interface McpInstance {
  readonly id: string
  readonly userIdentifier: string
  readonly configName: string
  readonly configId: string | undefined
  /** The pre-authenticated MCP URL of this instance. It is a secret: it does not show when the object is printed. */
  readonly url: string | undefined
  /**
   * Gives the headers that `url` needs, such as an API key; it is then no credential by itself. Asked again once they are
   * refused (HTTP 401). Undefined: it needs none.
   */
  readonly headers?: ((signal?: AbortSignal) => Promise<Readonly<Record<string, string>>>) | undefined
  /** The MCP URL that takes a session token instead. Not a secret. */
  readonly mcpServerUrl: string | undefined
}

/** A short-lived signed token that lets one user's agent use one config. */
export interface SessionToken {
  /** Secret: does not show when the object is printed. */
  readonly token: string
  readonly expiresAt: Date
}

/** What `ensureInstance` answers: the instance and, where the backend can, what would otherwise cost round trips. */
export interface EnsuredInstance {
  readonly instance: McpInstance
  /** The auth state, without links; undefined where the backend needs a call of its own for it. */
  readonly authState?: readonly ConnectionState[] | undefined
  /** A session token, if every connection is ACTIVE. */
  readonly sessionToken?: SessionToken | undefined
  /** What the endpoint answers to `server/discover`, so that the client need not ask. */
  readonly discoverResult?: Readonly<Record<string, unknown>> | undefined
}

/** A pushed change of one connected account's status. */
export interface StatusEvent {
  /** The position in the stream, for resuming with `lastEventId`. */
  readonly id: string | undefined
  readonly userIdentifier: string
  readonly connectionId: string
  readonly connectionName: string
  readonly status: string
}

/** A link made for one account of one user. */
export interface MagicLink {
  /** Secret: does not show when the object is printed. */
  readonly url: string
  readonly expiresAt: Date | undefined
}

/** What was done to end everything of a user. */
export interface UserRevocation {
  readonly userIdentifier: string
  readonly revokedAt: Date
  readonly instancesDeleted: number
  readonly linksCancelled: number
  readonly connectedAccounts: readonly RevokedAccount[]
}

/** An account that was removed. */
export interface RevokedAccount {
  readonly connectionName: string
  readonly connectedAccountId: string
  /**
   * What came of telling the provider that the grant is over (RFC 7009): `revoked`; `not_offered`, it takes no such word;
   * `failed`, so that the grant may live on there until it expires; `not_applicable`, there was no OAuth grant; `unknown`,
   * the control plane does not say. A later one may say more.
   */
  readonly upstreamRevocation: 'revoked' | 'not_offered' | 'failed' | 'not_applicable' | 'unknown' | (string & {})
}

export interface BackendCallOptions {
  /** Aborts the request. */
  signal?: AbortSignal | undefined
}

/**
 * A control plane, as core sees it. Every method throws a `LatchkeyError` and nothing else; none retries a request that
 * the service may have executed, unless it is idempotent.
 */
export interface Backend {
  /** A short name for messages, such as `gateway`. */
  readonly name: string
  /**
   * What tells this control plane and its credential apart from another one. Caches are keyed by it. Not a secret.
   */
  readonly identity: string
  /** The MCP config that calls use where none is named. Only where there is one. */
  readonly defaultConfig?: string | undefined
  /** Idempotent: the same user and config give the same instance and URL. */
  ensureInstance(
    input: { configName: string; userIdentifier: string },
    options?: BackendCallOptions,
  ): Promise<EnsuredInstance>
  /** With `includeAuthLinks` it has side effects (it mints a fresh link each time): ask once, never poll with it. */
  getAuthState(
    instanceId: string,
    options?: BackendCallOptions & { includeAuthLinks?: boolean },
  ): Promise<readonly ConnectionState[]>
  /**
   * With `tools`, for these only, named as the endpoint lists them; `rejected` where the service cannot narrow a token.
   * With `allowPartial`, for the connections that are ACTIVE, if there is one; without, `authorization_required` unless all
   * are. Absent where the service has no session tokens.
   */
  createSessionToken?(
    input: {
      instance: McpInstance
      expirySeconds?: number | undefined
      tools?: readonly string[] | undefined
      allowPartial?: boolean | undefined
    },
    options?: BackendCallOptions,
  ): Promise<SessionToken>
  /**
   * A keyed digest of a text, which only who has this credential can make, the same in every process. It keeps pending
   * handles from being made up; where it is absent, there are none.
   */
  sign?(text: string): string
  /**
   * Pushed status changes of one instance, or undefined where the service has none: the waiter then only polls.
   * The iterator ends when the stream ends, and throws when it breaks; the waiter opens it again. One that ends without
   * `onOpen` having been called says that this service has no events; it is not opened again.
   * `onOpen` is called once the stream is established, so that what happened before it can be asked for.
   */
  statusEvents?(
    instanceId: string,
    options: { signal: AbortSignal; lastEventId?: string | undefined; onOpen?: () => void },
  ): AsyncIterable<StatusEvent>
  /**
   * Makes an authentication link that ends, after the consent, at `userVerifyUrl` with an `auth_request_id` and `state`.
   * Absent where the service has no user verification.
   */
  createMagicLink?(
    input: {
      userIdentifier: string
      connectionName: string
      state?: string | undefined
      userVerifyUrl?: string | undefined
    },
    options?: BackendCallOptions,
  ): Promise<MagicLink>
  /** Says who consented. Code `rejected` if it is not the user that the link was made for, or cannot be verified any more. */
  verifyUser?(input: { userIdentifier: string; authRequestId: string }, options?: BackendCallOptions): Promise<void>
  /**
   * Ends everything of a user: session tokens, URLs, links, live streams, accounts, and the grants upstream. Idempotent.
   * Absent where the service cannot do that in one call.
   */
  revokeUser?(input: { userIdentifier: string }, options?: BackendCallOptions): Promise<UserRevocation>
  /** Closes sockets. Idempotent. */
  close(): Promise<void>
}
