import type { McpConfig } from '../domain.ts'
import type { AsOf, Configs, Instances, Keys, Revocations } from '../services.ts'
import type { SessionTokens } from './sessionTokens.ts'

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
  /** Looks once more whether this is still so. */
  readonly again: () => Promise<Authentication>
}

type Found = Omit<Principal, 'again' | 'since'>

export type Authentication = Principal | 'unknown_url' | 'invalid_token'

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
  const since = deps.changeCount()
  const found = await find(deps, endpoint, authorization)
  return typeof found === 'string'
    ? found
    : { ...found, since, again: () => authenticate(deps, endpoint, authorization) }
}

async function find(deps: AuthenticateDeps, endpoint: string, authorization: string | null) {
  if (endpoint.startsWith(URL_SECRET_PREFIX)) return byUrlSecret(deps, endpoint)
  if (endpoint.startsWith(CONFIG_PREFIX)) return bySessionToken(deps, endpoint, authorization)
  return 'unknown_url'
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
  { sessionTokens, configs, revocations }: AuthenticateDeps,
  configId: string,
  authorization: string | null,
): Promise<Found | 'unknown_url' | 'invalid_token'> {
  const token = /^Bearer +([^\s]+)$/i.exec(authorization ?? '')?.[1]
  if (token === undefined) return 'invalid_token'
  const claims = await sessionTokens.verify(token, configs.mcpServerUrl({ id: configId }))
  if (claims === undefined || claims.configId !== configId) return 'invalid_token'
  const config = await configs.get(configId)
  if (config === undefined) return 'unknown_url'
  if ((await revocations.epoch(claims.userIdentifier, configId)) !== claims.epoch) return 'invalid_token'
  return {
    config,
    userIdentifier: claims.userIdentifier,
    instanceId: undefined,
    tools: claims.tools === undefined ? undefined : new Set(claims.tools),
    accountIds: new Set(claims.connectedAccountIds),
    expiresAt: claims.expiresAt,
    asOf: { configId, epoch: claims.epoch },
  }
}
