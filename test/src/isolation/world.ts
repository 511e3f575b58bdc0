import { createGateway, type GatewayOptions } from '@latchkey/gateway'
import { createLatchkey, type Latchkey } from '@latchkey/core'
import { join } from 'node:path'
import {
  type AuthorizationServer,
  consentAs,
  listen,
  startAuthorizationServer,
  startCalendarServer,
  startMailServer,
  startPostgres,
  temporaryFolder,
} from '../fixtures/index.ts'

/** The configs of the run: one of a single connection, whose tool names are plain, and one of two. */
export const CONFIG_NAMES = ['reader', 'assistant'] as const
export type ConfigName = (typeof CONFIG_NAMES)[number]

export interface World extends AsyncDisposable {
  readonly authorizationServer: AuthorizationServer
  readonly latchkey: Latchkey
  /** Has the user authorize everything that the config needs and that is not ACTIVE. */
  consent(user: string, config: ConfigName): Promise<void>
  /** Ends the gateway as it is, and starts another one on the same port and database. */
  restartGateway(): Promise<void>
}

/** Two upstreams, an authorization server and a gateway on a database file or a Postgres: all real, all on loopback. */
export async function createWorld(store: 'sqlite' | 'postgres' = 'sqlite'): Promise<World> {
  await using stack = new AsyncDisposableStack()
  const kept =
    store === 'sqlite'
      ? { database: `sqlite:${join(stack.use(await temporaryFolder()).path, 'latchkey.db')}` }
      : await stack.use(await startPostgres()).createGatewayOptions()
  const authorizationServer = stack.use(await startAuthorizationServer())
  const mail = stack.use(await startMailServer(authorizationServer))
  const calendar = stack.use(await startCalendarServer(authorizationServer))

  let running = Promise.withResolvers<Awaited<ReturnType<typeof createGateway>>>()
  const listener = await listen(async (request) => await (await running.promise).fetch(request))
  stack.defer(listener.close)
  const clientSecret = crypto.randomUUID()
  const options: GatewayOptions = {
    publicUrl: listener.origin,
    ...kept,
    clients: [{ clientId: 'isolation', clientSecret }],
    connections: {
      mail: { mcpServerUrl: mail.url, auth: { type: 'oauth2' } },
      calendar: { mcpServerUrl: calendar.url, auth: { type: 'oauth2' } },
    },
    configs: { reader: { mail: '*' }, assistant: { mail: '*', calendar: '*' } },
  }
  running.resolve(await createGateway(options))
  stack.defer(async () => await (await running.promise).close())
  const latchkey = stack.use(createLatchkey({ url: listener.origin, clientId: 'isolation', clientSecret }))

  async function consent(user: string, config: ConfigName): Promise<void> {
    const { id } = await latchkey.ensureInstance(user, { config })
    const connections = await latchkey.getAuthState(id, { includeAuthLinks: true })
    for (const { authenticationLink, isActive } of connections) {
      if (!isActive && authenticationLink !== undefined) await consentAs(user, authenticationLink)
    }
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
    restartGateway,
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  }
}
