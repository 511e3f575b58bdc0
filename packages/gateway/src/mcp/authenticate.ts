import type { McpConfig } from '../domain.ts'
import type { AsOf, Configs, Instances, Keys, Revocations } from '../services.ts'
import type { SessionTokens, VerifiedSession } from './sessionTokens.ts'

/** Whose endpoint this request is for, and what narrows it. Found anew on every request. */
export interface Principal {
  readonly config: McpConfig
  readonly userIdentifier: string
  readonly instanceId: string | undefined
  /** A session token may allow fewer tools than the config; named as the endpoint lists them. */
  readonly tools: ReadonlySet<string> | undefined
  /** A session token is good for the accounts that it was made for. */
  readonly accountIds: ReadonlySet<string> | undefined
  /** A session token ends, in milliseconds since the epoch; a URL is good until it is revoked. */
  readonly expiresAt: number | undefined
  /** Nothing is made for a user who was revoked since. */
  readonly asOf: AsOf
  /** How many changes had been told when this was found out. */
  readonly since: number
  /**
   * Looks once more whether this is still so: whether the access was taken away. That a token has expired meanwhile ends
   * nothing that has begun with it; who begins something asks `expiresAt`.
   */
  readonly again: () => Promise<Authentication>
}

type Found = Omit<Principal, 'again' | 'since'>

export type Denied = 'unknown_url' | 'invalid_token'

export type Authentication = Principal | Denied

export interface AuthenticateDeps {
  /** How many changes have been told so far. */
  readonly changeCount: () => number
  readonly keys: Keys
  readonly sessionTokens: SessionTokens
  readonly instances: Instances
  readonly configs: Configs
  readonly revocations: Pick<Revocations, 'epoch'>
}

const URL_SECRET_PREFIX = 'lkurl_'
const CONFIG_PREFIX = 'cfg_'

/** Every refusal of one kind is the same value, so that nothing after this can tell a caller which it was. */
export async function authenticate(
  deps: AuthenticateDeps,
  endpoint: string,
  authorization: string | null,
): Promise<Authentication> {
  if (endpoint.startsWith(URL_SECRET_PREFIX)) return await establish(deps, () => byUrlSecret(deps, endpoint))
  if (endpoint.startsWith(CONFIG_PREFIX)) return await bySessionToken(deps, endpoint, authorization)
  return 'unknown_url'
}

async function establish(deps: AuthenticateDeps, find: () => Promise<Found | Denied>): Promise<Authentication> {
  const since = deps.changeCount()
  const found = await find()
  return typeof found === 'string' ? found : { ...found, since, again: () => establish(deps, find) }
}

async function byUrlSecret(
  { keys, instances, configs, revocations }: AuthenticateDeps,
  secret: string,
): Promise<Found | 'unknown_url'> {
  const claims = keys.verifyUrlSecret(secret)
  if (claims === undefined) return 'unknown_url'
  const instance = await instances.get(claims.instanceId)
  if (instance === undefined) return 'unknown_url'
  if (instance.urlVersion !== claims.urlVersion || instance.urlKeyId !== claims.keyId) return 'unknown_url'
  const config = await configs.get(instance.configId)
  if (config === undefined) return 'unknown_url'
  const { userIdentifier, id: instanceId, configId } = instance
  const asOf = { configId, epoch: await revocations.epoch(userIdentifier, configId) }
  return { config, userIdentifier, instanceId, tools: undefined, accountIds: undefined, expiresAt: undefined, asOf }
}

/** The token is verified before the database is asked, so a URL without one tells nothing about which configs exist. */
async function bySessionToken(
  deps: AuthenticateDeps,
  configId: string,
  authorization: string | null,
): Promise<Authentication> {
  const token = /^Bearer +([^\s]+)$/i.exec(authorization ?? '')?.[1]
  if (token === undefined) return 'invalid_token'
  const session = await deps.sessionTokens.verify(token, deps.configs.mcpServerUrl({ id: configId }))
  if (session === undefined || session.configId !== configId) return 'invalid_token'
  return await establish(deps, () => bySession(deps, session))
}

async function bySession(
  { configs, revocations }: AuthenticateDeps,
  { configId, userIdentifier, epoch, tools, connectedAccountIds, expiresAt }: VerifiedSession,
): Promise<Found | Denied> {
  const config = await configs.get(configId)
  if (config === undefined) return 'unknown_url'
  if ((await revocations.epoch(userIdentifier, configId)) !== epoch) return 'invalid_token'
  return {
    config,
    userIdentifier,
    instanceId: undefined,
    tools: tools === undefined ? undefined : new Set(tools),
    accountIds: new Set(connectedAccountIds),
    expiresAt,
    asOf: { configId, epoch },
  }
}
