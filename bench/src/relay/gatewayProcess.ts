/** The gateway in a process of its own. Reads `BENCH_UPSTREAM_URL` and `BENCH_CLIENT_SECRET`; tells its URL. */
import { createGateway } from '@latchkey/gateway'
import { listen } from '@latchkey/test/fixtures'
import { serveParent } from './serveParent.ts'

const gateway = Promise.withResolvers<Awaited<ReturnType<typeof createGateway>>>()
const listener = await listen(async (request) => await (await gateway.promise).fetch(request))
gateway.resolve(
  await createGateway({
    publicUrl: listener.origin,
    database: 'sqlite::memory:',
    clients: [{ clientId: 'bench', clientSecret: { env: 'BENCH_CLIENT_SECRET' } }],
    connections: {
      directory: {
        mcpServerUrl: { env: 'BENCH_UPSTREAM_URL' },
        auth: { type: 'api_key', header: 'X-Api-Key' },
      },
    },
    configs: { lookup: { directory: ['find_person'] } },
  }),
)
serveParent({ url: listener.origin })
