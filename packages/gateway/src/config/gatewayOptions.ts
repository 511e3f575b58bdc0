import type { MeterProvider, TracerProvider } from '@opentelemetry/api'
import type { LogSink } from '../http/requestLog.ts'
import type { Clock } from '../services.ts'
import type { PresetName } from './presets.ts'
import type { KeyManagementService } from '../vault/keyManagement.ts'

/** A text, or where to find it: `{ env: 'NAME' }` is replaced by that environment variable, anywhere. */
export type OptionText = string | { readonly env: string }

/** What `createGateway` takes, and what a configuration file holds (without the seams). */
export interface GatewayOptions {
  /** Where the gateway is reached from outside: an origin, `https` unless it is a loopback address. */
  readonly publicUrl: OptionText
  /**
   * `sqlite:PATH` or `sqlite::memory:`; or, for several gateways at once, `postgres://user:password@host/database`, which
   * may have parameters, such as `?sslmode=verify-full`. Default: `sqlite:./latchkey.db`.
   */
  readonly database?: OptionText | undefined
  /** The programs that may use the control plane. At least one. */
  readonly clients: readonly ApiClientOptions[]
  /**
   * Where the app confirms that the person who consented is its user, so that nobody can be made to connect an account
   * for somebody else; or `"off"`. A gateway that is not on a loopback address does not start without it.
   */
  readonly userVerification?: 'off' | UserVerificationOptions | undefined
  /** The services that users can connect, by name: `^[a-z0-9](?:[a-z0-9-]|_(?!_)){0,31}$`. */
  readonly connections: Readonly<Record<string, ConnectionOptions>>
  /** MCP configs by name: connection name → the tools that it allows, or `"*"` for all of them. */
  readonly configs?: Readonly<Record<string, ConfigOptions>> | undefined
  /** Where status changes are sent to, besides what is set over the API. */
  readonly webhooks?: readonly WebhookOptions[] | undefined
  /** `kid:base64url-of-32-bytes,…`, the current one first. Default: `LATCHKEY_ENCRYPTION_KEYS`. */
  readonly encryptionKeys?: OptionText | undefined
  /** `kid:base64url-of-32-bytes,…`, the current one first. Default: `LATCHKEY_SIGNING_KEYS`. */
  readonly signingKeys?: OptionText | undefined
  /**
   * The service that keeps the keys instead: AWS KMS, or one of your own. `encryptionKeys` and `signingKeys` of the time
   * before it stay as old keys. Default: none.
   */
  readonly keyManagement?: KeyManagementService | AwsKeyManagementOptions | undefined
  /**
   * Proxies before the gateway, as IP addresses or ranges: only what these write is believed about who asks, for limits
   * and the audit log. A list means the header `X-Forwarded-For`. Default: none.
   */
  readonly trustedProxies?: readonly OptionText[] | TrustedProxiesOptions | undefined
  /**
   * How often callers may ask, in each process; or `"off"`. Default: see {@link RateLimitsOptions}; on a loopback
   * address, where only the machine's own user can ask, off.
   */
  readonly rateLimits?: 'off' | RateLimitsOptions | undefined
  /** The audit log. */
  readonly audit?: AuditOptions | undefined
  /** Traces and metrics. Default: none. */
  readonly telemetry?: TelemetryOptions | undefined
  /**
   * The IP address of the peer that sent a request, where the HTTP server does not bring it along as
   * `@hono/node-server` does. Default: what the server brings along; else nobody is counted by address.
   */
  readonly remoteAddress?: ((request: Request) => string | undefined) | undefined
  /** Milliseconds since the epoch. Default: `Date.now`. */
  readonly clock?: Clock | undefined
  /** Where log lines go. Default: nowhere. */
  readonly log?: LogSink | undefined
}

export interface ConfigOptions {
  /**
   * How the endpoint names tools: `"plain"`, as the upstream does, or `"prefixed"`, as `connection__tool`. With several
   * connections `"plain"` needs every tool to be named. Default: plain for one connection, prefixed for several.
   */
  readonly toolNames?: 'plain' | 'prefixed' | undefined
  readonly [connectionName: string]: '*' | readonly OptionText[] | 'plain' | 'prefixed' | undefined
}

export interface TrustedProxiesOptions {
  readonly addresses: readonly OptionText[]
  /** The header in which all of them write who asks. Default: `X-Forwarded-For`. */
  readonly header?: 'X-Forwarded-For' | 'Forwarded' | undefined
}

/** Each is so many requests in so many seconds, or `"off"`. */
export interface RateLimitsOptions {
  /** Of one IP address (of IPv6: one /64). Default: 6,000 in 60 s. */
  readonly address?: RateLimitOption | undefined
  /** Of one IP address, with a token, URL, link or secret that is refused. Default: 60 in 60 s. */
  readonly failure?: RateLimitOption | undefined
  /** Of one API client, to the control plane. Default: 30,000 in 60 s. */
  readonly client?: RateLimitOption | undefined
  /** Of one user's agents together, to the MCP endpoint. Default: 3,000 in 60 s. */
  readonly user?: RateLimitOption | undefined
  /** With one MCP URL, or one user's session tokens of one config. Default: 1,500 in 60 s. */
  readonly credential?: RateLimitOption | undefined
}

export type RateLimitOption = 'off' | { readonly requests: number; readonly seconds: number }

export interface AuditOptions {
  /** How long entries are kept, in days. Default: 90. */
  readonly retentionDays?: number | 'forever' | undefined
}

/** Where traces and metrics go. Each is off unless it is given. */
export interface TelemetryOptions {
  /**
   * An OTLP/HTTP collector, such as `http://127.0.0.1:4318`, or `"environment"`: what `OTEL_EXPORTER_OTLP_ENDPOINT` and
   * its like say. `latchkey serve` follows the environment by itself.
   */
  readonly otlp?: OptionText | OtlpOptions | undefined
  /** Keeps metrics for `gateway.metrics()`. */
  readonly prometheus?: boolean | undefined
  /** Whether the gateway's spans continue a `traceparent` that the caller sent. Default: false: anybody can send one. */
  readonly trustTraceContext?: boolean | undefined
  /** Whether upstreams get our `traceparent`. Default: false: it would tell them which calls belong together. */
  readonly propagateTraceContext?: boolean | undefined
  /** The program's own OpenTelemetry, where the gateway is part of one. */
  readonly tracerProvider?: TracerProvider | undefined
  readonly meterProvider?: MeterProvider | undefined
}

export interface OtlpOptions {
  readonly endpoint: OptionText
  /** Sent along, such as `{ "authorization": … }`. */
  readonly headers?: Readonly<Record<string, OptionText>> | undefined
}

export interface UserVerificationOptions {
  /** Where the browser goes after the consent, unless a link names another place: the app's `callback` handler. */
  readonly url: OptionText
  /** Further origins that links may name, such as `https://staging.example`. Default: that of `url` only. */
  readonly allowedOrigins?: readonly OptionText[] | undefined
}

/** AWS KMS, through `@aws-sdk/client-kms`, which has to be installed beside the gateway. */
export interface AwsKeyManagementOptions {
  readonly type: 'aws-kms'
  /** The id, ARN or alias of a symmetric key. */
  readonly keyId: OptionText
  /** Default: what the SDK finds, such as `AWS_REGION`. */
  readonly region?: OptionText | undefined
  /** Another address of the service, such as a VPC endpoint. Default: the region's. */
  readonly endpoint?: OptionText | undefined
}

export interface ApiClientOptions {
  readonly clientId: OptionText
  readonly clientSecret: OptionText
  /** What the connect page calls the app. Default: the client id. */
  readonly displayName?: OptionText | undefined
}

export interface WebhookOptions {
  /** `https`, or `http` on a loopback address where the gateway runs on one itself. */
  readonly url: OptionText
  /** What requests are signed with: `whsec_` and 24 to 64 bytes in base64 (Standard Webhooks). */
  readonly secret: OptionText
}

/** A connection that says everything itself, one that names a preset and says the rest, or one that names a program. */
export type ConnectionOptions = OwnConnectionOptions | PresetConnectionOptions | ProgramConnectionOptions

/**
 * An MCP server that is a program and speaks on its standard input and output. For development: a gateway that is not on a
 * loopback address does not start with one, and the API takes none. Each account has a process of its own.
 */
export interface ProgramConnectionOptions extends Omit<OwnConnectionOptions, 'mcpServerUrl' | 'auth'> {
  /** What is started, without a shell: a name that is looked for in the `PATH`, or a path. */
  readonly command: OptionText
  readonly args?: readonly OptionText[] | undefined
  /**
   * Variables of its environment. Besides them, and the account's credential, it gets only `PATH`, `HOME` and their
   * like; nothing else of the gateway's own environment.
   */
  readonly env?: Readonly<Record<string, OptionText>> | undefined
  /** Where it is started. Default, and where a relative path starts from: the folder of the configuration file. */
  readonly cwd?: OptionText | undefined
  /** How it gets the account's credential: in variables of its environment. */
  readonly auth: ProgramAuthOptions
}

export type ProgramAuthOptions =
  | {
      readonly type: 'api_key'
      /** The variable that carries the key, such as `GITHUB_TOKEN`. */
      readonly variable: OptionText
    }
  | {
      readonly type: 'api_key'
      /** Several fields for the user to fill in, in their order. */
      readonly fields: readonly ProgramFieldOptions[]
    }
  /** A token that the user has from the provider and types in. */
  | { readonly type: 'bearer'; readonly variable: OptionText }
  /** A user name and a password. */
  | { readonly type: 'basic'; readonly usernameVariable: OptionText; readonly passwordVariable: OptionText }
  | { readonly type: 'none' }

export interface ProgramFieldOptions extends Omit<CredentialFieldOptions, 'header' | 'prefix' | 'query'> {
  /** The variable that carries it. */
  readonly variable: OptionText
}

export interface PresetConnectionOptions extends Partial<Omit<OwnConnectionOptions, 'auth'>> {
  /** A provider that is known: what is the same for everybody need not be said. What is said comes first. */
  readonly preset: PresetName
  /** Default: OAuth, as the provider wants it. */
  readonly auth?: ConnectionAuthOptions | Omit<OAuth2Options, 'type'> | undefined
}

export interface OwnConnectionOptions {
  /** What a person sees. Default: the connection's name. */
  readonly displayName?: OptionText | undefined
  /** Whose service it is, such as `acme-mail`. Default: the connection's name. */
  readonly provider?: OptionText | undefined
  /** The upstream MCP server: `https`, or `http` on a loopback address. */
  readonly mcpServerUrl: OptionText
  /**
   * Whether only tools whose definition was approved are listed and called. The tools of the first list are taken as
   * approved; what is new or changed afterwards waits for approval. Default: false.
   */
  readonly pinTools?: boolean | undefined
  readonly auth: ConnectionAuthOptions
}

export interface OAuth2Options {
  readonly type: 'oauth2'
  /** What to ask for. Default: what the upstream names. */
  readonly scopes?: readonly OptionText[] | undefined
  /** What stands between two scopes, where that is not a space. */
  readonly scopeSeparator?: ',' | ' ' | undefined
  /**
   * The client that is registered in advance, with `{publicUrl}/oauth/callback` as its redirect URI. Default: the gateway
   * shows the server its client ID metadata document, or registers itself, as the server wants it.
   */
  readonly clientId?: OptionText | undefined
  readonly clientSecret?: OptionText | undefined
  /** The key for `private_key_jwt`: a JWK, as an object or a text, or PEM. */
  readonly privateKey?: OptionText | Readonly<Record<string, unknown>> | undefined
  /** The `kid` under which the server knows the public key. Default: that of the JWK. */
  readonly keyId?: OptionText | undefined
  /** Default: `private_key_jwt` with a `privateKey`, else what the server's metadata say. */
  readonly tokenEndpointAuthMethod?:
    | 'client_secret_basic'
    | 'client_secret_post'
    | 'private_key_jwt'
    | 'none'
    | undefined
  /**
   * How the gateway says who it is where there is no `clientId`: `document` by its client ID metadata document where the
   * server takes one, else by registering; `dynamic` always by registering. Default: `document`.
   */
  readonly registration?: 'document' | 'dynamic' | undefined
  /** The one authorization server that is believed. Default: the one that the upstream names. */
  readonly issuer?: OptionText | undefined
  /** For a provider that publishes no metadata: then nothing is discovered. Needs a `tokenEndpoint` and a `clientId` too. */
  readonly authorizationEndpoint?: OptionText | undefined
  readonly tokenEndpoint?: OptionText | undefined
  /** Where grants are given back (RFC 7009). */
  readonly revocationEndpoint?: OptionText | undefined
  /**
   * Whether a provider is used whose metadata do not say that it knows PKCE. S256 is sent all the same, and the audit log
   * shows every use. Default: false: such a provider is refused, as MCP wants it.
   */
  readonly allowMissingPkceMetadata?: boolean | undefined
  /**
   * What is sent as `resource` (RFC 8707), on the host of the `mcpServerUrl`. Default: what the upstream's metadata name,
   * which is believed only if it is the `mcpServerUrl` itself.
   */
  readonly resource?: OptionText | undefined
  /** Whether `resource` (RFC 8707) is sent. Default: true; some providers refuse it. */
  readonly sendResource?: boolean | undefined
  /** Added to the authorization URL, such as `{ "access_type": "offline" }`. */
  readonly authorizationParameters?: Readonly<Record<string, OptionText>> | undefined
  /** What the provider calls a bearer token in `token_type`, besides `Bearer`. */
  readonly bearerTokenTypes?: readonly OptionText[] | undefined
}

export type ConnectionAuthOptions =
  | OAuth2Options
  | {
      readonly type: 'api_key'
      /** The header that carries the key. */
      readonly header: OptionText
      /** Put before the key, such as `Bearer `. Default: nothing. */
      readonly prefix?: OptionText | undefined
    }
  | {
      readonly type: 'api_key'
      /** The parameter of the query that carries the key, for an upstream that takes it in no header. */
      readonly query: OptionText
    }
  | {
      readonly type: 'api_key'
      /** Several fields for the user to fill in, in their order. */
      readonly fields: readonly CredentialFieldOptions[]
    }
  /** A token that the user has from the provider and types in; sent as `Authorization: Bearer …`. */
  | { readonly type: 'bearer' }
  /** A user name and a password. */
  | { readonly type: 'basic' }
  | { readonly type: 'none' }

/** Something that the user fills in, and the one place where it is sent: a header, or a parameter of the query. */
export interface CredentialFieldOptions {
  /** `^[a-z][a-z0-9_]{0,31}$`. What was typed in is kept under it. */
  readonly name: OptionText
  /** What the page calls it. */
  readonly label: OptionText
  /** Whether the page hides what is typed. Default: true. */
  readonly secret?: boolean | undefined
  readonly header?: OptionText | undefined
  /** Put before the value in the header. Default: nothing. */
  readonly prefix?: OptionText | undefined
  readonly query?: OptionText | undefined
}
