/** The gateway in a process of its own. Reads `BENCH_UPSTREAM_URL` and `BENCH_CLIENT_SECRET`; tells its URL. */
import { createGateway, type Gateway } from '@latchkey/gateway'
import { listenOnFreePort } from './listenOnFreePort.ts'
import { serveParent } from './serveParent.ts'

const gateway = Promise.withResolvers<Gateway>()
const url = await listenOnFreePort(async (request) => await (await gateway.promise).fetch(request))
gateway.resolve(
  await createGateway({
    publicUrl: url,
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
serveParent({ url })
