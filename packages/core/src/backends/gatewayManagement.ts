import type { McpInstance, BackendCallOptions } from './backend.ts'

/** A named template: which connections, and which tools of each, one agent role may use. */
export interface McpConfig {
  readonly id: string
  readonly name: string
  readonly description: string | undefined
  /** How the endpoint names tools: `plain` or `prefixed`. Undefined: the gateway's default; where it is changed, as it was. */
  readonly toolNames?: string | undefined
  readonly mappings: readonly ToolMapping[]
}

export interface ToolMapping {
  readonly connectionName: string
  /** As the upstream names them. Undefined: all tools of the connection. */
  readonly tools: readonly string[] | undefined
}

/** What operators of a gateway do, and apps do not. Every method throws a `LatchkeyError` and nothing else. */
export interface GatewayManagement {
  /** All of them, by name. */
  listConfigs(options?: BackendCallOptions): Promise<readonly McpConfig[]>
  createConfig(config: Omit<McpConfig, 'id'>, options?: BackendCallOptions): Promise<McpConfig>
  /** Running agents have the new tools from their next request on. */
  replaceConfig(
    id: string,
    change: Pick<McpConfig, 'description' | 'toolNames' | 'mappings'>,
    options?: BackendCallOptions,
  ): Promise<McpConfig>
  /** The user's instances, without making any. */
  findInstances(
    query: { userIdentifier: string; configName?: string | undefined },
    options?: BackendCallOptions,
  ): Promise<readonly McpInstance[]>
  /** Gives an instance another URL; the old one is dead at once. */
  rotateUrl(instanceId: string, options?: BackendCallOptions): Promise<McpInstance>
  /** What the gateway finds out about itself, and about one user. Asks the upstreams for their tools. */
  diagnose(
    query?: { userIdentifier?: string | undefined; configName?: string | undefined },
    options?: BackendCallOptions,
  ): Promise<Diagnosis>
  /** Opens an event stream and waits for its first byte. Gives how many milliseconds that took. */
  tryEventStream(userIdentifier: string, options?: BackendCallOptions): Promise<number>
}

/** Nothing in it is secret. */
export interface Diagnosis {
  /** The gateway's clock. */
  readonly time: Date
  readonly version: string
  readonly publicUrl: string
  readonly userVerification: 'on' | 'off' | (string & {})
  readonly database: 'sqlite' | 'postgres' | (string & {})
  /** As at `GET /ready`: `ok` or `failed`. */
  readonly checks: Readonly<Record<string, string>>
  readonly keys: readonly DiagnosedKey[]
  readonly webhooks: readonly DiagnosedWebhook[]
  readonly connectionNames: readonly string[]
  readonly user: DiagnosedUser | undefined
}

export interface DiagnosedKey {
  readonly ring: 'encryption' | 'signing' | (string & {})
  readonly keyId: string
  readonly isCurrent: boolean
  readonly isAvailable: boolean
  readonly retiredAt: Date | undefined
}

export interface DiagnosedWebhook {
  readonly id: string
  readonly url: string
  readonly isEnabled: boolean
  readonly disabledReason: string | undefined
  readonly failingSince: Date | undefined
}

export interface DiagnosedUser {
  readonly userIdentifier: string
  /** When the status of one of the user's accounts changed last, as far as that is kept. */
  readonly lastEventAt: Date | undefined
  readonly configs: readonly {
    readonly configName: string
    readonly hasInstance: boolean
    readonly connections: readonly DiagnosedConnection[]
  }[]
}

export interface DiagnosedConnection {
  readonly connectionName: string
  readonly status: string
  readonly statusChangedAt: Date | undefined
  readonly credential:
    | { readonly type: string; readonly expiresAt: Date | undefined; readonly isRenewable: boolean }
    | undefined
  /** Of an account whose refresh fails. */
  readonly refresh: { readonly failures: number; readonly failedAt: Date | undefined } | undefined
  /** Why its tools cannot be listed. */
  readonly unavailable: { readonly reason: string; readonly message: string } | undefined
  readonly tools: readonly DiagnosedTool[]
}

export interface DiagnosedTool {
  readonly upstreamName: string
  /** As the endpoint lists it. */
  readonly name: string | undefined
  readonly problem: 'missing' | 'renamed' | 'refused' | undefined
  readonly reason: string | undefined
  readonly suggestion: string | undefined
}
