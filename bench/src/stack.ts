import { createGateway } from '@latchkey/gateway'
import { consentAs, listen, startAuthorizationServer, startMailServer } from '@latchkey/test/fixtures'
import { setTimeout as delay } from 'node:timers/promises'
import { createLatchkey, type Latchkey } from '@latchkey/core'

/** A gateway with one OAuth connection, whose requests are counted and can be made to take longer. */
export interface Stack extends AsyncDisposable {
  readonly url: string
  readonly client: { readonly url: string; readonly clientId: string; readonly clientSecret: string }
  readonly latchkey: Latchkey
  /** The paths of the requests since the last call of `takeRequests`. */
  takeRequests(): readonly string[]
  /** Adds this many milliseconds to each request from now on. */
  setLatencyMs(latencyMs: number): void
  consent(user: string): Promise<void>
}

export const CONFIG = 'reader'

export async function createStack(): Promise<Stack> {
  await using stack = new AsyncDisposableStack()
  const authorizationServer = stack.use(await startAuthorizationServer())
  const mail = stack.use(await startMailServer(authorizationServer))
  const gateway = Promise.withResolvers<Awaited<ReturnType<typeof createGateway>>>()
  let requests: string[] = []
  let latency = 0
  const listener = await listen(async (request) => {
    requests.push(`${request.method} ${new URL(request.url).pathname.replace(/(cfg|lkurl|inst|lklink)_[^/:]+/, '…')}`)
    if (latency > 0) await delay(latency)
    return await (await gateway.promise).fetch(request)
  })
  stack.defer(listener.close)
  const client = { url: listener.origin, clientId: 'bench', clientSecret: crypto.randomUUID() }
  gateway.resolve(
    await createGateway({
      publicUrl: listener.origin,
      database: 'sqlite::memory:',
      clients: [{ clientId: client.clientId, clientSecret: client.clientSecret }],
      connections: { mail: { mcpServerUrl: mail.url, auth: { type: 'oauth2' } } },
      configs: { [CONFIG]: { mail: '*' } },
    }),
  )
  stack.defer(async () => await (await gateway.promise).close())
  const latchkey = stack.use(createLatchkey({ ...client, config: CONFIG }))
  const owned = stack.move()
  return {
    url: listener.origin,
    client,
    latchkey,
    takeRequests() {
      const taken = requests
      requests = []
      return taken
    },
    setLatencyMs(latencyMs) {
      latency = latencyMs
    },
    async consent(user) {
      const { id } = await latchkey.ensureInstance(user)
      for (const { authenticationLink } of await latchkey.getAuthState(id, { includeAuthLinks: true })) {
        if (authenticationLink !== undefined) await consentAs(user, authenticationLink)
      }
    },
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  }
}
