import type { LogSink } from '../http/requestLog.ts'
import type { Clock } from '../services.ts'
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
  readonly configs?: Readonly<Record<string, Readonly<Record<string, '*' | readonly OptionText[]>>>> | undefined
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
  /** Milliseconds since the epoch. Default: `Date.now`. */
  readonly clock?: Clock | undefined
  /** Where log lines go. Default: nowhere. */
  readonly log?: LogSink | undefined
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

export interface ConnectionOptions {
  /** What a person sees. Default: the connection's name. */
  readonly displayName?: OptionText | undefined
  /** Whose service it is, such as `acme-mail`. Default: the connection's name. */
  readonly provider?: OptionText | undefined
  /** The upstream MCP server: `https`, or `http` on a loopback address. */
  readonly mcpServerUrl: OptionText
  readonly auth: ConnectionAuthOptions
}

export type ConnectionAuthOptions =
  | {
      readonly type: 'oauth2'
      /** What to ask for. Default: what the upstream names. */
      readonly scopes?: readonly OptionText[] | undefined
      /** The client that is registered in advance. Default: the gateway registers itself. */
      readonly clientId?: OptionText | undefined
      readonly clientSecret?: OptionText | undefined
    }
  | {
      readonly type: 'api_key'
      /** The header that carries the key. */
      readonly header: OptionText
      /** Put before the key, such as `Bearer `. Default: nothing. */
      readonly prefix?: OptionText | undefined
    }
  | { readonly type: 'none' }
