import type { McpConfig } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Secret } from '../secret.ts'
import type { AccountOfConnection, Configs, Keys } from '../services.ts'

export interface SessionTokensOptions {
  readonly keys: Pick<Keys, 'signSessionToken'>
  readonly configs: Pick<Configs, 'mcpServerUrl'>
}

export interface SessionTokenRequest {
  readonly config: McpConfig
  readonly userIdentifier: string
  readonly accounts: readonly AccountOfConnection[]
  /** A protobuf duration such as `3600s`. Default: one hour. */
  readonly expiry?: string | undefined
  readonly tools?: readonly string[] | undefined
  /** What `Revocations.epoch` was when the request began: if the user is revoked meanwhile, the token is good for nothing. */
  readonly epoch: number
}

const MIN_SECONDS = 60
const MAX_SECONDS = 24 * 3_600
const DEFAULT_EXPIRY = '3600s'

/** Tokens for one user's agent, only while every connection is ACTIVE. */
export function createSessionTokens({ keys, configs }: SessionTokensOptions) {
  return {
    isReady: (accounts: readonly AccountOfConnection[]) => accounts.every(isActive),

    /** Throws GatewayError `precondition`, which names what is not ACTIVE, or `invalid_request` for the expiry. */
    async issue(request: SessionTokenRequest): Promise<{ token: Secret; expiresAt: Date }> {
      const { config, userIdentifier, accounts, expiry, tools, epoch } = request
      refuseInactive(accounts)
      const claims = {
        userIdentifier,
        configId: config.id,
        audience: configs.mcpServerUrl(config),
        connectedAccountIds: accounts.map(({ account }) => account.id),
        tools,
        epoch,
      }
      return await keys.signSessionToken(claims, seconds(expiry))
    },
  }
}

export type SessionTokens = ReturnType<typeof createSessionTokens>

function isActive({ account }: AccountOfConnection): boolean {
  return account.status === 'ACTIVE'
}

function refuseInactive(accounts: readonly AccountOfConnection[]): void {
  const inactive = accounts.filter((state) => !isActive(state))
  if (inactive.length === 0) return
  const names = inactive.map(({ connection, account }) => `"${connection.name}" (${account.status})`)
  throw new GatewayError(
    'precondition',
    `The user still has to connect ${names.join(', ')}. Ask for authentication links, and for a token once all are ACTIVE.`,
  )
}

function seconds(expiry = DEFAULT_EXPIRY): number {
  const value = Number.parseInt(expiry, 10)
  if (value >= MIN_SECONDS && value <= MAX_SECONDS) return value
  throw new GatewayError('invalid_request', `expiry: must be from "${MIN_SECONDS}s" to "${MAX_SECONDS}s"`)
}
