import { createGateway, type GatewayOptions } from '@latchkey/gateway'
import { createLatchkey, type Latchkey, latchkeyGateway } from '@latchkey/core'
import { join } from 'node:path'
import { SCOPES } from '../fixtures/authorization/scopes.ts'
import {
  type AuthorizationServer,
  consentAs,
  listen,
  startAuthorizationServer,
  startPostgres,
  temporaryFolder,
} from '../fixtures/index.ts'
import { apiKeyAccess, bearerAccess } from '../fixtures/upstreams/access.ts'
import { startUpstream } from '../fixtures/upstreams/startUpstream.ts'
import { createCannedHandler } from './cannedHandler.ts'

/** The configs of the run: one of a single connection, whose tool names are plain, and one of two. */
export const CONFIG_NAMES = ['reader', 'assistant'] as const
export type ConfigName = (typeof CONFIG_NAMES)[number]

export interface World extends AsyncDisposable {
  readonly authorizationServer: AuthorizationServer
  readonly latchkey: Latchkey
  /** Has the user authorize everything that the config needs and that is not ACTIVE. */
  consent(user: string, config: ConfigName): Promise<void>
  /** Gives the user's URL of this config another secret. */
  rotateUrl(user: string, config: ConfigName): Promise<void>
  /** The user's keys for the calendar work no more. */
  revokeKeys(user: string): void
  /** What upstreams saw that they never should. */
  readonly misuses: () => readonly string[]
  /** Ends the gateway as it is, and starts another one on the same port and database. */
  restartGateway(): Promise<void>
}

/**
 * Two upstreams, one of each era, an authorization server and a gateway on a database file or a Postgres: all on
 * loopback. What the upstreams answer is canned; everything else is real.
 */
export async function createWorld(store: 'sqlite' | 'postgres' = 'sqlite'): Promise<World> {
  await using stack = new AsyncDisposableStack()
  const kept =
    store === 'sqlite'
      ? { database: `sqlite:${join(stack.use(await temporaryFolder()).path, 'latchkey.db')}` }
      : await stack.use(await startPostgres()).createGatewayOptions()
  const authorizationServer = stack.use(await startAuthorizationServer())
  const mail = await startUpstream(
    (origin) => bearerAccess(authorizationServer, { origin, name: 'Mail', scopes: SCOPES.mail }),
    () => createCannedHandler('mail', 'modern'),
  )
  stack.use(mail.upstream)
  const { access, keys } = apiKeyAccess('X-Api-Key')
  const calendar = await startUpstream(
    () => access,
    () => createCannedHandler('calendar', 'legacy'),
  )
  stack.use(calendar.upstream)
  const keysOf = new Map<string, string[]>()

  let running = Promise.withResolvers<Awaited<ReturnType<typeof createGateway>>>()
  const listener = await listen(async (request) => await (await running.promise).fetch(request))
  stack.defer(listener.close)
  const clientSecret = crypto.randomUUID()
  const options: GatewayOptions = {
    publicUrl: listener.origin,
    ...kept,
    clients: [{ clientId: 'isolation', clientSecret }],
    connections: {
      mail: { mcpServerUrl: mail.upstream.url, auth: { type: 'oauth2' } },
      calendar: { mcpServerUrl: calendar.upstream.url, auth: { type: 'api_key', header: 'X-Api-Key' } },
    },
    configs: { reader: { mail: '*' }, assistant: { mail: '*', calendar: '*' } },
  }
  running.resolve(await createGateway(options))
  stack.defer(async () => await (await running.promise).close())
  const app = { url: listener.origin, clientId: 'isolation', clientSecret }
  const latchkey = stack.use(createLatchkey(app))
  const { manage } = latchkeyGateway(app)

  async function consent(user: string, config: ConfigName): Promise<void> {
    const { id } = await latchkey.ensureInstance(user, { config })
    const connections = await latchkey.getAuthState(id, { includeAuthLinks: true })
    for (const { authenticationLink, isActive } of connections) {
      if (!isActive && authenticationLink !== undefined) {
        await consentAs(user, authenticationLink, { apiKey: issueKey(user) })
      }
    }
  }

  function issueKey(user: string): string {
    const key = keys.issue(user)
    keysOf.set(user, [...(keysOf.get(user) ?? []), key])
    return key
  }

  async function rotateUrl(user: string, config: ConfigName): Promise<void> {
    const { id } = await latchkey.ensureInstance(user, { config })
    await manage.rotateUrl(id)
  }

  async function restartGateway(): Promise<void> {
    const old = running
    // Whatever comes in meanwhile waits for the new one.
    running = Promise.withResolvers()
    await (await old.promise).close()
    running.resolve(await createGateway(options))
  }

  const owned = stack.move()
  return {
    authorizationServer,
    latchkey,
    consent,
    rotateUrl,
    revokeKeys(user) {
      for (const key of keysOf.get(user) ?? []) keys.revoke(key)
    },
    misuses: () => [...mail.handler.misuses, ...calendar.handler.misuses],
    restartGateway,
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  }
}
