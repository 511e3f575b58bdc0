/**
 * What the gateway deals in. These are our own types; the wire's snake_case names stay in `control/`, the columns in
 * `store/`.
 */
import type { Secret } from './secret.ts'

export type AccountStatus = 'ACTIVE' | 'PENDING_AUTH' | 'PENDING_VERIFICATION' | 'EXPIRED' | 'DISCONNECTED'

export interface OAuthConnectionAuth {
  readonly type: 'oauth2'
  /** What to ask for; without it, what the upstream's challenge or metadata names. */
  readonly scopes?: readonly string[] | undefined
  /** What stands between two scopes. Default: a space, as RFC 6749 has it. */
  readonly scopeSeparator?: string | undefined
  /** Where the client is registered in advance; without it the gateway says itself who it is. */
  readonly clientId?: string | undefined
  readonly clientSecret?: Secret | undefined
  /** A JWK or PEM, for `private_key_jwt`. */
  readonly privateKey?: Secret | undefined
  /** Under which id the server knows the public half. */
  readonly keyId?: string | undefined
  /** Default: what the server's metadata say. */
  readonly tokenEndpointAuthMethod?: TokenEndpointAuthMethod | undefined
  /** How the gateway says who it is where there is no `clientId`. Default: by document where the server takes one. */
  readonly registration?: 'document' | 'dynamic' | undefined
  /** The one authorization server that is believed. Default: the one that the upstream names. */
  readonly issuer?: string | undefined
  /** For a provider that publishes no metadata: nothing is discovered then. Both or none. */
  readonly authorizationEndpoint?: string | undefined
  readonly tokenEndpoint?: string | undefined
  readonly revocationEndpoint?: string | undefined
  /** Whether a server is used whose metadata do not say that it knows PKCE; S256 is sent all the same (security T27). */
  readonly allowMissingPkceMetadata?: boolean | undefined
  /** What is sent as `resource`, and may be named by the upstream's metadata. Default: what the metadata name. */
  readonly resource?: string | undefined
  /** Whether `resource` (RFC 8707) is sent. Default: true, as MCP has it; some providers refuse it. */
  readonly sendResource?: boolean | undefined
  /** Added to the authorization URL, such as `access_type: "offline"`. */
  readonly authorizationParameters?: Readonly<Record<string, string>> | undefined
  /** Words that the provider uses in `token_type` for what is a bearer token, besides `Bearer`; lower case. */
  readonly bearerTokenTypes?: readonly string[] | undefined
}

/** One key in a header or in the query; or several fields, and then neither. */
export interface ApiKeyAuth {
  readonly type: 'api_key'
  /** The header that carries the key. */
  readonly header?: string | undefined
  /** Put before the key, such as `Bearer `. Default: nothing. */
  readonly prefix?: string | undefined
  /** The parameter of the query that carries the key, where the upstream takes it in no header. */
  readonly query?: string | undefined
  /** Where the upstream is a program: the variable of its environment that carries the key. */
  readonly variable?: string | undefined
  readonly fields?: readonly CredentialField[] | undefined
}

/** Something that a person types in, and where it is sent. */
export interface CredentialField {
  readonly name: string
  /** What the page calls it. */
  readonly label: string
  /** Whether the page hides what is typed. It is kept sealed and never logged in either case. */
  readonly secret: boolean
  readonly header?: string | undefined
  readonly prefix?: string | undefined
  readonly query?: string | undefined
  readonly variable?: string | undefined
}

export type TokenEndpointAuthMethod = 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt' | 'none'

/** How one authorizes to a connection's upstream. */
export type ConnectionAuth =
  | OAuthConnectionAuth
  | ApiKeyAuth
  /** A token that the user has from the provider and types in. A program gets it in this variable of its environment. */
  | { readonly type: 'bearer'; readonly variable?: string | undefined }
  /** A user name and a password (RFC 7617). A program gets them in these variables. */
  | {
      readonly type: 'basic'
      readonly usernameVariable?: string | undefined
      readonly passwordVariable?: string | undefined
    }
  | { readonly type: 'none' }

/** A program that speaks MCP on its standard input and output. It is started once for each account. */
export interface Program {
  readonly command: string
  readonly args: readonly string[]
  /** Where it is started; an absolute path. */
  readonly cwd: string
  /** What its environment holds besides the few variables that every program gets. */
  readonly env: Readonly<Record<string, Secret>>
}

/** A service that users can connect: an upstream MCP server plus how one authorizes to it. */
export interface Connection {
  readonly id: string
  /** Its key in the configuration: `^[a-z0-9](?:[a-z0-9-]|_(?!_)){0,31}$`, so that `name__tool` splits in one way. */
  readonly name: string
  /** What a person sees; defaults to the name. */
  readonly displayName: string
  readonly provider: string
  /** Of a program `stdio:` and a digest of how it is started: names it, and leads nowhere. */
  readonly mcpServerUrl: string
  /** What is started where the upstream is no server at a URL. */
  readonly program?: Program | undefined
  readonly auth: ConnectionAuth
  /** Whether only definitions of tools that were approved are listed and called (security T48). Default: no. */
  readonly pinTools?: boolean | undefined
}

/** One definition of a tool that an upstream has listed, and whether it may be used. */
export interface ToolPin {
  /** Made of the connection, the tool and the digest. */
  readonly id: string
  readonly connectionId: string
  /** As the upstream names it. */
  readonly tool: string
  /** SHA-256 of the canonical definition, in base64url. */
  readonly digest: string
  readonly state: ToolPinState
  /** Canonical JSON; undefined where it is too long to keep. */
  readonly definition: string | undefined
  /** When an upstream listed it first. */
  readonly seenAt: Date
  /** When somebody approved it or put it back into quarantine. */
  readonly decidedAt: Date | undefined
}

export type ToolPinState = 'approved' | 'quarantined'

/** Which tools of one connection a config allows; `tools` undefined means all. Names as the upstream gives them. */
export interface ConnectionToolMapping {
  readonly connectionId: string
  readonly tools: readonly string[] | undefined
}

/** A named template: which connections, and which tools of each, one agent role may use. */
export interface McpConfig {
  readonly id: string
  readonly name: string
  readonly description: string | undefined
  /** In the order that the config gives. */
  readonly mappings: readonly ConnectionToolMapping[]
  /** Default: plain where there is one connection, prefixed where there are several. */
  readonly toolNames?: ToolNames | undefined
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** How the endpoint names tools: as the upstream does, or with the connection's name before it. */
export type ToolNames = 'plain' | 'prefixed'

/** One user's realisation of one config. */
export interface McpInstance {
  readonly id: string
  readonly name: string
  readonly configId: string
  readonly userIdentifier: string
  /** With the id and the key, what the URL secret is derived from. Raised to rotate the URL. */
  readonly urlVersion: number
  /** Which signing key derives the URL secret. */
  readonly urlKeyId: string
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly lastUsedAt: Date | undefined
}

/** One user's credentials for one connection, with a status. The credential itself is sealed, in the store. */
export interface ConnectedAccount {
  readonly id: string
  readonly connectionId: string
  readonly userIdentifier: string
  readonly status: AccountStatus
  /** Raised at every write of the credential. Compare-and-set key. */
  readonly generation: number
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** What is sealed in the vault for an account. */
export type Credential =
  | {
      readonly type: 'oauth2'
      readonly accessToken: string
      readonly refreshToken: string | undefined
      /** Milliseconds since the epoch; undefined where the server did not say. */
      readonly expiresAt: number | undefined
      readonly scope: string | undefined
      /** The authorization server and the client that the grant belongs to: never used with another (RFC 9700). */
      readonly issuer: string
      readonly clientId: string
      /** Who signed in, where the server said so: `sub` of its ID token. */
      readonly subject?: string | undefined
      /** The RFC 8707 resource that the grant was made for. */
      readonly resource: string
    }
  | {
      readonly type: 'api_key'
      readonly key: string
      /** The server that the key was given for, as `serverOf` has it: it is sent to no other. */
      readonly origin: string
    }
  | {
      readonly type: 'fields'
      /** The kind of authorization that they were typed in for. */
      readonly kind: ConnectionAuth['type']
      /** By the name of the field. */
      readonly values: Readonly<Record<string, string>>
      readonly origin: string
    }

/** A change of one account's status, as told to waiters, caches and replicas. */
export interface AccountEvent {
  /** Position in the log; grows. */
  readonly sequence: number
  readonly id: string
  readonly accountId: string
  readonly userIdentifier: string
  readonly connectionId: string
  readonly status: AccountStatus
  readonly oldStatus: AccountStatus
  readonly occurredAt: Date
}

/**
 * Something other than an account's status has changed, and what was remembered of it is not true any more. `subject` is
 * a config's id, a connection's id, an instance's id or a user identifier; a change of the kind `user` is a revocation.
 */
export interface Change {
  /** Position in the log of changes; grows in the order of the commits. */
  readonly sequence: number
  readonly kind: ChangeKind
  readonly subject: string
  readonly occurredAt: Date
}

export type ChangeKind = 'config' | 'connection' | 'instance' | 'user'

/** Where status changes are sent to, as signed HTTP requests. Its secrets are sealed, in the store. */
export interface WebhookEndpoint {
  readonly id: string
  readonly url: string
  readonly description: string | undefined
  /** What the configuration names cannot be changed over the API. */
  readonly source: 'api' | 'configuration'
  /** Nothing is sent, and nothing new is queued, while it is disabled. */
  readonly disabledReason: WebhookDisabledReason | undefined
  /** Raised at every write of the secrets. Compare-and-set key. */
  readonly generation: number
  /** Since when nothing has arrived; undefined if the last request did. */
  readonly failingSince: Date | undefined
  readonly createdAt: Date
  readonly updatedAt: Date
}

/**
 * `requested`: over the API; `gone`: it answered 410; `failing`: nothing has arrived for days; `removed`: the
 * configuration does not name it any more.
 */
export type WebhookDisabledReason = 'requested' | 'gone' | 'failing' | 'removed'

/** One event for one webhook endpoint. */
export interface WebhookDelivery {
  readonly endpointId: string
  readonly eventId: string
  /** Where the event is in the log. */
  readonly sequence: number
  readonly status: WebhookDeliveryStatus
  /** Since it was queued, or replayed. */
  readonly attempts: number
  /** The last ones, oldest first. */
  readonly attemptLog: readonly WebhookAttempt[]
  /** Undefined unless it is pending. While it is being sent: when it would be sent again if that were lost. */
  readonly nextAttemptAt: Date | undefined
  readonly createdAt: Date
}

/** `failed`: given up; only a replay sends it again. */
export type WebhookDeliveryStatus = 'pending' | 'delivered' | 'failed'

export interface WebhookAttempt {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly durationMs: number
  /** Undefined where no answer came. */
  readonly responseStatus: number | undefined
  /** Why it is not delivered. Holds no path, no query and no body. */
  readonly error: string | undefined
}

/** A program that may use the control plane. */
export interface ApiClient {
  readonly clientId: string
  readonly clientSecret: Secret
  /** What the connect page calls the app; defaults to the client id. */
  readonly displayName: string
}

/** What an audit entry may say besides the fields that it has. Never a secret. */
export type AuditDetails = Readonly<Record<string, string | number | boolean | readonly string[]>>

/** One thing that somebody did, was given, or was refused. */
export interface AuditEntry {
  /** What was done: `session_token.issued`, `api.deleteConfig`, `account.status_changed`, `request.denied`. */
  readonly action: string
  /** Default: `ok`. */
  readonly outcome?: AuditOutcome | undefined
  readonly userIdentifier?: string | undefined
  readonly connectionId?: string | undefined
  readonly configId?: string | undefined
  readonly instanceId?: string | undefined
  readonly accountId?: string | undefined
  readonly details?: AuditDetails | undefined
}

export type AuditOutcome = 'ok' | 'refused' | 'failed'

/** An entry together with who did it, when, and from where. */
export interface AuditRow extends AuditEntry {
  readonly outcome: AuditOutcome
  readonly occurredAt: Date
  /** An API client's id, or `user link`, `agent`, `system`, `cli`, `anonymous`. */
  readonly actor: string
  readonly requestId?: string | undefined
  /** The caller's IP address, where it is known. */
  readonly address?: string | undefined
}

/** A row with its place in the log. */
export interface AuditRecord extends AuditRow {
  readonly sequence: number
}
