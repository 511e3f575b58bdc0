import type { McpConfig } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Secret } from '../secret.ts'
import type { AccountOfConnection, Configs, Keys } from '../services.ts'

export interface SessionTokensOptions {
  readonly keys: Pick<Keys, 'signSessionToken'>
  readonly configs: Pick<Configs, 'mcpServerUrl'>
  /** Which of these names no tool can have on the config's endpoint. */
  readonly unknownTools: (config: McpConfig, names: readonly string[]) => readonly string[]
}

export interface SessionTokenRequest {
  readonly config: McpConfig
  readonly userIdentifier: string
  readonly accounts: readonly AccountOfConnection[]
  /** A protobuf duration such as `3600s`. Default: one hour. */
  readonly expiry?: string | undefined
  readonly tools?: readonly string[] | undefined
  /** Make a token for the accounts that are ACTIVE, if there is one, instead of none. Default: false. */
  readonly allowPartial?: boolean | undefined
  /** What `Revocations.epoch` was when the request began: if the user is revoked meanwhile, the token is good for nothing. */
  readonly epoch: number
}

const MIN_SECONDS = 60
const MAX_SECONDS = 24 * 3_600
const DEFAULT_EXPIRY = '3600s'

/** Tokens for one user's agent, for what is ACTIVE, and only while every connection is, unless that is asked for. */
export function createSessionTokens({ keys, configs, unknownTools }: SessionTokensOptions) {
  return {
    isReady: (accounts: readonly AccountOfConnection[]) => accounts.every(isActive),

    /**
     * Throws GatewayError `precondition`, which names what is not ACTIVE, or `invalid_request` for the expiry or a tool
     * that the config does not have.
     */
    async issue(request: SessionTokenRequest): Promise<{ token: Secret; expiresAt: Date }> {
      const { config, userIdentifier, accounts, expiry, tools, allowPartial = false, epoch } = request
      const active = accounts.filter(isActive)
      if (active.length < accounts.length && !(allowPartial && active.length > 0)) throw inactive(accounts)
      refuseUnknownTools(config, tools)
      const claims = {
        userIdentifier,
        configId: config.id,
        audience: configs.mcpServerUrl(config),
        connectedAccountIds: active.map(({ account }) => account.id),
        tools,
        epoch,
      }
      return await keys.signSessionToken(claims, seconds(expiry))
    },
  }

  function refuseUnknownTools(config: McpConfig, tools: readonly string[] = []): void {
    const unknown = unknownTools(config, tools)
    if (unknown.length === 0) return
    const names = unknown.map((name) => `"${name}"`).join(', ')
    throw new GatewayError(
      'invalid_request',
      `tools: the config "${config.name}" has no tool ${names}. Name tools as its endpoint lists them.`,
    )
  }
}

export type SessionTokens = ReturnType<typeof createSessionTokens>

function isActive({ account }: AccountOfConnection): boolean {
  return account.status === 'ACTIVE'
}

function inactive(accounts: readonly AccountOfConnection[]): GatewayError {
  const missing = accounts.filter((state) => !isActive(state))
  const names = missing.map(({ connection, account }) => `"${connection.name}" (${account.status})`)
  return new GatewayError(
    'precondition',
    `The user still has to connect ${names.join(', ')}. Ask for authentication links, and for a token once all are ACTIVE.`,
  )
}

function seconds(expiry = DEFAULT_EXPIRY): number {
  const value = Number.parseInt(expiry, 10)
  if (value >= MIN_SECONDS && value <= MAX_SECONDS) return value
  throw new GatewayError('invalid_request', `expiry: must be from "${MIN_SECONDS}s" to "${MAX_SECONDS}s"`)
}
