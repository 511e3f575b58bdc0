/**
 * The gateway in a process of its own. Reads `BENCH_UPSTREAM_URL`, `BENCH_LIST_URLS` and `BENCH_CLIENT_SECRET`; tells
 * its URL.
 */
import { createGateway, type GatewayOptions } from '@latchkey/gateway'
import { listUrlsOf } from './listUrls.ts'
import { listenOnFreePort } from './listenOnFreePort.ts'
import { serveParent } from './serveParent.ts'

/** Counted as on a public address, and never reached. */
const LIMIT = { requests: 1_000_000_000, seconds: 60 }

const gateway = Promise.withResolvers<Awaited<ReturnType<typeof createGateway>>>()
const url = await listenOnFreePort(async (...args) => await (await gateway.promise).fetch(...args))
const listed = listUrlsOf(process.env).map((listUrl, index) => [`part${index}`, listUrl] as const)
const connections: GatewayOptions['connections'] = {
  directory: { mcpServerUrl: { env: 'BENCH_UPSTREAM_URL' }, auth: { type: 'api_key', header: 'X-Api-Key' } },
  ...Object.fromEntries(listed.map(([name, mcpServerUrl]) => [name, { mcpServerUrl, auth: { type: 'none' } }])),
}
const parts = (count: number) => Object.fromEntries(listed.slice(-count).map(([name]) => [name, '*'] as const))
gateway.resolve(
  await createGateway({
    publicUrl: url,
    database: 'sqlite::memory:',
    rateLimits: { address: LIMIT, failure: LIMIT, client: LIMIT, user: LIMIT, credential: LIMIT },
    clients: [{ clientId: 'bench', clientSecret: { env: 'BENCH_CLIENT_SECRET' } }],
    connections,
    configs: {
      lookup: { directory: ['find_person'] },
      lookup5: { directory: ['find_person'], ...parts(4) },
      lookup20: { directory: ['find_person'], ...parts(19) },
      // The slowest is the last.
      list1: parts(1),
      list5: parts(5),
      list20: parts(20),
    },
  }),
)
serveParent({ url })
