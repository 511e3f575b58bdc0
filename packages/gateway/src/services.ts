/**
 * The seams between the gateway's rooms. Each interface is implemented in the folder that its comment names, and made
 * in `gateway.ts`; a room imports these types and never another room's files.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type {
  AccountEvent,
  AccountStatus,
  AuditEntry,
  Change,
  ConnectedAccount,
  Connection,
  Credential,
  McpConfig,
  McpInstance,
  Program,
  WebhookDelivery,
  WebhookDeliveryStatus,
  WebhookEndpoint,
} from './domain.ts'
import type { Secret } from './secret.ts'

/** Milliseconds since the epoch. An option of the gateway, so that tests need not wait. */
export type Clock = () => number

/** `http/guardedFetch.ts`: the only way out of the gateway. Refuses private addresses, redirects, and oversize answers. */
export interface GuardedFetch {
  (input: string | URL, init?: GuardedFetchInit): Promise<Response>
  /** The same without making a `Response` of the answer, which would cost more than the rest of a relayed call. */
  readonly send: (input: string | URL, init?: GuardedFetchInit) => Promise<GuardedAnswer>
}

/** An answer whose headers have arrived. Its body is read once: as a text, or as a stream. */
export interface GuardedAnswer {
  readonly status: number
  /** Whether the status is 2xx. */
  readonly ok: boolean
  /** Lower-case names. */
  readonly headers: Readonly<IncomingHttpHeaders>
  /** The body as UTF-8. */
  readonly text: () => Promise<string>
  readonly stream: () => ReadableStream<Uint8Array>
  /** Lets go of an answer that nobody reads. Never throws. */
  readonly discard: () => void
}

export interface GuardedFetchInit {
  method?: string
  headers?: Record<string, string> | Headers
  body?: string | Uint8Array | URLSearchParams | null
  signal?: AbortSignal
  /** Cap on the decoded bytes of the answer. Default 64 KiB (metadata and token answers). */
  maxBytes?: number
  /** Until the headers arrive, in milliseconds. Default 15,000. */
  headersTimeoutMs?: number
  /** The longest silence within the body, in milliseconds. Default 60,000. */
  bodyIdleTimeoutMs?: number
  /** Keeps the sockets of one account's upstream apart from every other's (security T51). */
  partition?: string
  /** Added to the URL at the moment of sending, and nowhere before: it may hold a secret. */
  query?: Readonly<Record<string, string>> | undefined
  /** Asks this program's process for the partition instead of a server (`upstream/stdio/`). */
  program?: AccountProgram
}

/** A program that is an upstream, and what its process for one account is started with. */
export interface AccountProgram {
  readonly program: Program
  /** The account's credential: variable of the environment → value. Never log. */
  readonly variables: Readonly<Record<string, string>>
  /** Of the credential: a process never outlives it. */
  readonly generation: number
}

/** `config/registry.ts`: the connections and API clients that the configuration names. */
export interface Registry {
  connection(id: string): Connection | undefined
  connectionByName(name: string): Connection | undefined
  connections(): readonly Connection[]
}

/** `keys/keys.ts`: everything that is signed or derived. */
export interface Keys {
  /** Which key new URLs are derived with. */
  readonly currentKeyId: string
  /** The `lkurl_…` secret of an instance: derived, the same every time, never stored. */
  urlSecret(instance: Pick<McpInstance, 'id' | 'urlVersion' | 'urlKeyId'>): Secret
  /** Refuses a forged secret without asking the database. */
  verifyUrlSecret(value: string): { instanceId: string; urlVersion: number; keyId: string } | undefined
  signAccessToken(clientId: string): Promise<{ token: Secret; expiresInSeconds: number }>
  /** The client id, or undefined for any reason that makes the token unusable. */
  verifyAccessToken(token: string): Promise<string | undefined>
  signSessionToken(claims: SessionClaims, expirySeconds: number): Promise<{ token: Secret; expiresAt: Date }>
  /** `audience` is the exact MCP server URL of the config. */
  verifySessionToken(token: string, audience: string): Promise<SessionClaims | undefined>
  /** A short keyed digest for CSRF tokens and the like; `purpose` separates the uses. */
  digest(purpose: string, ...parts: readonly string[]): string
  jwks(): { keys: readonly Record<string, unknown>[] }
}

export interface SessionClaims {
  readonly userIdentifier: string
  readonly configId: string
  readonly audience: string
  readonly connectedAccountIds: readonly string[]
  /** Narrows to these tools, named as the endpoint lists them. */
  readonly tools: readonly string[] | undefined
  /** What `Revocations.epoch` was when the request that asked for the token began. */
  readonly epoch: number
}

/** `vault/vault.ts`: envelope encryption, AES-256-GCM, bound to where the value is kept. */
export interface Vault {
  /** `context` names the place (table, row, column, generation): opening anywhere else fails. */
  seal(plaintext: string, context: readonly string[]): Uint8Array
  open(sealed: Uint8Array, context: readonly string[]): string
}

/** `accounts/accounts.ts`: what an account is, and every change of its status. */
export interface Accounts {
  /** One per connection of the config, in the config's order; missing ones are made (PENDING_AUTH, or ACTIVE for `none`). */
  ensureForConfig(
    config: Pick<McpConfig, 'mappings'>,
    userIdentifier: string,
    /** Default: as it is when this is called. Throws GatewayError `conflict` if the user was revoked since. */
    asOf?: AsOf,
  ): Promise<readonly AccountOfConnection[]>
  get(accountId: string): Promise<ConnectedAccount | undefined>
  /** Mints a single-use link for this account. The URL is `{publicUrl}/connect/{token}`. */
  createLink(account: ConnectedAccount, options?: LinkOptions): Promise<{ url: Secret; expiresAt: Date }>
  /**
   * An upstream wants more than this account's user has granted (RFC 6750, `insufficient_scope`): from now on links ask
   * for that too, also while the account is ACTIVE, until its user has consented. Throws GatewayError `precondition`
   * where that would not help: it is granted already, or was consented to several times in vain.
   */
  requestScope(account: ConnectedAccount, scope: string): Promise<void>
  /** Looks a link token up without using it. */
  findLink(token: string): Promise<LinkState | undefined>
  /**
   * Seals and stores a new credential and makes the account ACTIVE, using up the link, in one transaction. Where the app
   * has to verify its user first, the account becomes PENDING_VERIFICATION instead, and the credential lies where no
   * call finds it: the browser then goes to `verifyAt`.
   * False if the link was used or had expired meanwhile; then nothing is changed. Throws GatewayError `conflict` if the
   * account was changed at the same moment, and `precondition` if the provider says that this is another person's
   * account than before, unless it may be; in both cases the link still works.
   */
  activate(
    linkId: string,
    credential: Credential,
    options?: { mayReplaceAccount?: boolean | undefined },
  ): Promise<boolean | AwaitingVerification>
  /**
   * The app says who consented: if that is the user that the link was made for, the account becomes ACTIVE, and this is
   * the account as it was. In every other case GatewayError `forbidden`, always the same; where the app named another
   * user, the credential is destroyed and given back upstream.
   */
  verifyUser(request: VerifyUserRequest): Promise<ConnectedAccount>
  /** Destroys the credentials that nobody has verified in time, and gives them back upstream. */
  discardUnverified(): Promise<void>
  /** Writes a refreshed credential if the generation is still the one that was refreshed. */
  replaceCredential(account: ConnectedAccount, credential: Credential): Promise<ConnectedAccount | undefined>
  /** The opened credential of an account, with the account as it was read in the same query. */
  readCredential(accountId: string): Promise<{ account: ConnectedAccount; credential: Credential } | undefined>
  /**
   * Changes the status if the generation is still this one. Tells everybody. False if somebody was faster. The reason is
   * for the audit log: our own words, never a server's text.
   */
  setStatus(account: ConnectedAccount, status: AccountStatus, reason?: string): Promise<boolean>
}

export interface LinkOptions {
  /** The API client that asks for it: no other may verify what comes of it. */
  readonly clientId?: string | undefined
  /** Where the app verifies its user after the consent. Default: what the configuration says. */
  readonly verifyUrl?: string | undefined
  /** Given back to the app at that URL, so that it can tell that it began this itself. */
  readonly state?: string | undefined
}

export interface AwaitingVerification {
  /** The app's URL, with `auth_request_id` and `state`. */
  readonly verifyAt: Secret
}

export interface VerifyUserRequest {
  readonly authRequestId: string
  /** Who is signed in, by the app's own session. */
  readonly userIdentifier: string
  /** The API client that asks. */
  readonly clientId: string
}

export interface AccountOfConnection {
  readonly connection: Connection
  readonly account: ConnectedAccount
}

export interface LinkState {
  readonly id: string
  readonly account: ConnectedAccount
  readonly connection: Connection
  readonly state: 'open' | 'used' | 'expired'
  readonly expiresAt: Date
  /** What the consent has to ask for, where the upstream wants more than was granted. */
  readonly scope?: WantedScope | undefined
}

/** Scopes, divided by spaces. */
export interface WantedScope {
  /** Undefined where nobody knows: then what a first consent asks for. */
  readonly granted: string | undefined
  readonly needed: string
}

/** `accounts/credentials.ts`: the headers that a call to an upstream needs. */
export interface Credentials {
  /**
   * Refreshes first if that is due, once for all concurrent callers.
   * Throws GatewayError `consent_required` if only the user can help (not ACTIVE, grant gone; the status is then already
   * EXPIRED and told), `upstream_unavailable` if the authorization server fails for the moment.
   */
  headersFor(connection: Connection, account: ConnectedAccount): Promise<OpenedCredential>
  /**
   * The upstream answered 401 to the credential of this generation. Refreshes once and gives the new one; where that is
   * not possible, makes the account EXPIRED and throws `consent_required`.
   */
  afterRefusal(connection: Connection, account: ConnectedAccount, refused: OpenedCredential): Promise<OpenedCredential>
}

export interface OpenedCredential {
  readonly generation: number
  /** Header name → value, for the upstream only. Never log. */
  readonly headers: Readonly<Record<string, string>>
  /** Parameter → value, added to the upstream's URL at the moment of sending. Never log. */
  readonly query?: Readonly<Record<string, string>> | undefined
  /** Variable → value, for the environment of a program. Never log. */
  readonly variables?: Readonly<Record<string, string>> | undefined
}

/** `oauth/oauth.ts`: the protocol, without knowing of accounts or pages. */
export interface OAuth {
  /** Discovers, registers where needed, and builds the authorization URL (PKCE S256, `resource`, `state`). */
  begin(connection: Connection, scope?: WantedScope): Promise<AuthorizationAttempt>
  /**
   * The document that says who we are (client ID metadata document), by the last part of its path; undefined where there
   * is none.
   */
  clientMetadata(file: string): Readonly<Record<string, unknown>> | undefined
  /**
   * Validates the callback (state, `iss`, error) and redeems the code, once.
   * Throws GatewayError `forbidden` with a plain reason for the page (such as: consent was declined).
   */
  complete(
    connection: Connection,
    attempt: AuthorizationAttempt,
    callbackUrl: URL,
  ): Promise<Credential & { type: 'oauth2' }>
  /**
   * Throws GatewayError `consent_required` when the server says `invalid_grant`, or there is no refresh token;
   * `upstream_unavailable` for everything that may pass.
   */
  refresh(
    connection: Connection,
    credential: Credential & { type: 'oauth2' },
    watch?: RefreshWatch,
  ): Promise<Credential & { type: 'oauth2' }>
  /** Gives the grant back to the server that made it (RFC 7009), and tells no other. Never throws. */
  revoke(connection: Connection, credential: Credential & { type: 'oauth2' }): Promise<UpstreamRevocation>
}

/**
 * What came of telling an authorization server that a grant is over (RFC 7009). `not_offered`: it takes no such word;
 * `not_applicable`: there was no OAuth grant.
 */
export type UpstreamRevocation = 'revoked' | 'not_offered' | 'failed' | 'not_applicable'

/** Between the two the refresh token may be spent, and nobody knows. */
export interface RefreshWatch {
  /** Before the request that spends the refresh token is sent. If it fails, nothing is sent. */
  readonly beforeRequest: () => Promise<void>
  /** The server itself has answered that it did not renew the grant; not a proxy before it, which could not know. */
  readonly onRefusal: () => void
}

/** All that `complete` needs later. Plain data; holds secrets, so it is kept sealed. */
export interface AuthorizationAttempt {
  readonly authorizationUrl: string
  readonly state: string
  readonly codeVerifier: string
  readonly issuer: string
  readonly clientId: string
  readonly resource: string
  readonly redirectUri: string
  /** What was asked for, divided by spaces: where the answer names no scope, all of it was granted (RFC 6749 section 5.1). */
  readonly scope?: string | undefined
  /** Something that the configuration allows by exception and that the audit log should show. */
  readonly exception?: 'pkce-not-advertised' | undefined
}

/** `events/eventLog.ts`: status changes, in order, pushed and resumable. */
export interface EventLog {
  /** Called with each event after it is committed, on every replica. Returns the unsubscriber. */
  subscribe(listener: (event: AccountEvent) => void): () => void
  /** Events after this position for one user, oldest first. */
  after(sequence: number, userIdentifier: string): Promise<readonly AccountEvent[]>
  latestSequence(): Promise<number>
  /** Of the oldest event that has not been forgotten; undefined while there is none. */
  earliestSequence(): Promise<number | undefined>
}

/** `events/changes.ts`: what caches and live streams must hear of, besides the status changes. */
export interface Changes {
  /** Called with each change after it is committed, on every replica. Returns the unsubscriber. */
  subscribe(listener: (change: Change) => void): () => void
}

/** How often a user had been revoked when a request began. What the request makes is made only while that is so. */
export interface AsOf {
  /** Whose use is meant too; empty: of the user as a whole alone. */
  readonly configId: string
  readonly epoch: number
}

/** `accounts/revocations.ts`: ends what was given out, and says which session tokens are still good. */
export interface Revocations {
  /**
   * Grows with every revocation that concerns this user's tokens for this config. A token that carries another number
   * than this one was made before a revocation. Without a config: the revocations of the user as a whole.
   */
  epoch(userIdentifier: string, configId?: string): Promise<number>
  /**
   * Ends everything of a user: session tokens, instances with their URLs, links, live streams, accounts, and the grants
   * upstream. What a request makes that began before does not survive it. Called again it finishes what was left.
   */
  revokeUser(userIdentifier: string): Promise<UserRevocation>
  /** Removes an account with its credential, and tells its server. Throws GatewayError `not_found`. */
  removeAccount(accountId: string): Promise<RevokedAccount>
}

/** What was done. */
export interface UserRevocation {
  readonly userIdentifier: string
  readonly revokedAt: Date
  readonly instancesDeleted: number
  readonly linksCancelled: number
  readonly connectedAccounts: readonly RevokedAccount[]
}

export interface RevokedAccount {
  readonly accountId: string
  readonly connectionId: string
  readonly connectionName: string
  readonly upstreamRevocation: UpstreamRevocation
}

/** `accounts/instances.ts`. */
export interface Instances {
  /** Idempotent, also when called a thousand times at once. */
  ensure(
    config: McpConfig,
    userIdentifier: string,
    name?: string,
    /** Default: as it is when this is called. Throws GatewayError `conflict` if the user was revoked since. */
    asOf?: AsOf,
  ): Promise<McpInstance>
  get(id: string): Promise<McpInstance | undefined>
  /** Gives it another URL; the old one is dead at once. Throws GatewayError `not_found`. */
  rotateUrl(id: string): Promise<McpInstance>
  /** `{publicUrl}/mcp/{url secret}`. */
  url(instance: McpInstance): Promise<Secret>
}

/** `control/configs.ts`. */
export interface Configs {
  get(id: string): Promise<McpConfig | undefined>
  getByName(name: string): Promise<McpConfig | undefined>
  /** `{publicUrl}/mcp/{config id}`: takes a session token. Not a secret. */
  mcpServerUrl(config: Pick<McpConfig, 'id'>): string
}

/** `webhooks/webhooks.ts`. Each that takes an id throws GatewayError `not_found` where there is none. */
export interface Webhooks {
  /** The secret is shown this once. Throws GatewayError `invalid_request` for a URL that is not connected to. */
  create(webhook: { url: string; description?: string | undefined }): Promise<{
    endpoint: WebhookEndpoint
    secret: Secret
  }>
  /** All of them, oldest first. */
  list(): Promise<readonly WebhookEndpoint[]>
  require(id: string): Promise<WebhookEndpoint>
  /** Throws GatewayError `precondition` for one of the configuration; so do `delete` and `rotateSecret`. */
  update(id: string, change: WebhookUpdate): Promise<WebhookEndpoint>
  delete(id: string): Promise<void>
  /** Requests are signed with the old secret too for so many milliseconds. */
  rotateSecret(id: string, overlapMs: number): Promise<{ secret: Secret; previousExpiresAt: Date }>
  /** Newest event first. */
  deliveries(id: string, query: WebhookDeliveryQuery): Promise<readonly WebhookDelivery[]>
  requireDelivery(id: string, eventId: string): Promise<WebhookDelivery>
  /** Sends it again at once. Throws GatewayError `precondition` while the endpoint is disabled; so does `replaySince`. */
  replay(id: string, eventId: string): Promise<WebhookDelivery>
  /** Gives how many are queued. */
  replaySince(id: string, query: { since: Date; includeDelivered: boolean }): Promise<number>
}

export interface WebhookUpdate {
  readonly url?: string | undefined
  /** Empty: none. */
  readonly description?: string | undefined
  readonly enabled?: boolean | undefined
}

export interface WebhookDeliveryQuery {
  readonly status?: WebhookDeliveryStatus | undefined
  /** Events before this place in the log only. */
  readonly beforeSequence?: number | undefined
  /** Events after this place only, and of those the oldest. */
  readonly afterSequence?: number | undefined
  readonly limit: number
}

/** `audit/audit.ts`: who did what, was given what, and was refused what. */
export interface Audit {
  /**
   * Within a request the entries are written together, in one statement, before its answer leaves; if that fails, the
   * answer is 503 and whatever it held is not told (security T71). Outside of a request it is written at once.
   * Throws GatewayError `unavailable` if it cannot be written: then give out nothing.
   */
  record(entry: AuditEntry): Promise<void>
}

/** `telemetry/telemetry.ts`: traces and metrics. Not there at all where nobody asked for them. */
export interface Telemetry {
  /** Around a request that came in; `work` says what became of it. */
  request(received: ReceivedRequest, work: () => Promise<RequestResult>): Promise<void>
  /** Around a request that goes out. `work` is given the `traceparent` to send along, where one is to be sent. */
  sent<T extends { readonly status: number }>(
    request: SentRequest,
    work: (traceparent: string | undefined) => Promise<T>,
  ): Promise<T>
  /** Around a refresh of a grant. */
  refreshed<T>(connectionName: string, work: () => Promise<T>): Promise<T>
  statusChanged(connectionName: string, status: AccountStatus): void
  /** A status change was told in this process, so long after it happened. */
  eventTold(lagMs: number): void
  limited(by: LimitedBy): void
}

export interface ReceivedRequest {
  readonly method: string
  readonly scheme: string
  /** As the caller sent it. */
  readonly traceparent: string | null
}

export interface RequestResult {
  readonly status: number
  /** The pattern, never the path. */
  readonly route: string
  /** Of a request to the MCP endpoint. None of it is made up by a caller. */
  readonly mcp:
    | {
        readonly method: string
        readonly connection: string | undefined
        readonly outcome: string | undefined
        readonly tool: string | undefined
        readonly isError: boolean
      }
    | undefined
}

export interface SentRequest {
  readonly method: string
  readonly url: URL
}

/** What is counted: requests of a caller, or its failures. */
export type LimitedBy = 'address' | 'failure' | 'client' | 'user' | 'credential'

/** `limits/rateLimits.ts`: whether a caller may go on. */
export interface RateLimits {
  /** Counts one. Undefined: go on; else refuse, and say that it may come again after so many seconds. */
  take(by: LimitedBy, key: string): Promise<number | undefined>
  /** Counts nothing. */
  isUsedUp(by: LimitedBy, key: string): Promise<number | undefined>
}

/** `trust/toolPins.ts`: which definitions of tools may be used, of connections that pin them (security T48). */
export interface ToolPins {
  /**
   * Told of a list that an upstream gave. Gives the digests that are approved: all of the first list that ever came of
   * this connection; of later ones, what is new is quarantined.
   */
  admit(connection: Connection, tools: readonly ListedTool[]): Promise<ReadonlySet<string>>
  /**
   * For whoever cannot ask for the list: whether any definition of a tool of this name is approved. While nothing has ever
   * been listed, everything may be.
   */
  mayBeApproved(connection: Connection, tool: string): Promise<boolean>
}

/** A tool as an upstream listed it. */
export interface ListedTool {
  readonly tool: string
  readonly digest: string
  /** Canonical JSON. */
  readonly definition: string
}

/** `mcp/endpoint.ts`. */
export interface McpEndpoint {
  /** Everything under `/mcp/:endpoint`. */
  handle(request: Request, endpoint: string, log: RequestLog): Promise<Response>
  /** What the endpoint answers to `server/discover`; the same for everybody. */
  discoverResult(): Record<string, unknown>
  close(): Promise<void>
}

/** `mcp/inspectTools.ts`: what the endpoint makes of the tools that an upstream has, and why; for whoever looks for a fault. */
export interface ToolInspector {
  /** Asks the upstreams of ACTIVE accounts anew. One for each connection of the config that there is, in its order. */
  inspect(
    config: Pick<McpConfig, 'mappings'>,
    accounts: readonly AccountOfConnection[],
  ): Promise<readonly InspectedConnection[]>
}

export interface InspectedConnection extends AccountOfConnection {
  /** Why an ACTIVE account's tools cannot be listed. */
  readonly unavailable: { readonly reason: UnavailableReason; readonly message: string } | undefined
  /** Those that the config allows. Empty while they cannot be listed. */
  readonly tools: readonly InspectedTool[]
}

export type UnavailableReason = 'authorization_required' | 'unreachable' | 'invalid_response'

export interface InspectedTool {
  readonly upstreamName: string
  /** As the endpoint lists it; undefined for one that the upstream does not have. */
  readonly name: string | undefined
  /** Why the endpoint gives it another name. */
  readonly renamedFor: 'unsafe_characters' | 'too_long' | 'ambiguous' | undefined
  /** Of one that the upstream does not have: what was probably meant. */
  readonly suggestion: string | undefined
  /** Why the endpoint does not list it, though the upstream has it (security T46). */
  readonly refusedFor?: 'too_deep' | 'too_many_schemas' | 'too_long' | undefined
}

/** Fields that a handler adds to the one log line of its request. Never a secret: no path, no link, no body. */
export interface RequestLog {
  set(field: string, value: string | number | boolean | undefined): void
}
