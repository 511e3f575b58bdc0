/** The gateway in a process of its own, so that its CPU time is its own. Started by `relay.ts` with its options. */
import { createGateway, type GatewayOptions } from '@latchkey/gateway'
import { listen } from '@latchkey/test/fixtures'
import { serveParent } from './serveParent.ts'

await serveParent(async ({ upstreamUrl, clientSecret }: { upstreamUrl: string; clientSecret: string }) => {
  const gateway = Promise.withResolvers<Awaited<ReturnType<typeof createGateway>>>()
  const listener = await listen(async (request) => await (await gateway.promise).fetch(request))
  const options: GatewayOptions = {
    publicUrl: listener.origin,
    database: 'sqlite::memory:',
    clients: [{ clientId: 'bench', clientSecret }],
    connections: { directory: { mcpServerUrl: upstreamUrl, auth: { type: 'api_key', header: 'X-Api-Key' } } },
    configs: { lookup: { directory: ['find_person'] } },
  }
  gateway.resolve(await createGateway(options))
  return { url: listener.origin }
})
