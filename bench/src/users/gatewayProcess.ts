/**
 * The gateway in a process of its own. Reads `BENCH_UPSTREAM_URL` and `BENCH_CLIENT_SECRET`; tells its URL, and its memory
 * and sockets whenever it is asked.
 */
import { createGateway, type Gateway } from '@latchkey/gateway'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { listenOnFreePort } from '../relay/listenOnFreePort.ts'

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')
/** All requests of this bench come from one address. */
const LIMIT = { requests: 1_000_000_000, seconds: 60 }

process.on('disconnect', () => process.exit())
const gateway = Promise.withResolvers<Gateway>()
const url = await listenOnFreePort(async (...args) => await (await gateway.promise).fetch(...args))
gateway.resolve(
  await createGateway({
    publicUrl: url,
    database: 'sqlite::memory:',
    rateLimits: { address: LIMIT, failure: LIMIT, client: LIMIT, user: LIMIT, credential: LIMIT },
    clients: [{ clientId: 'bench', clientSecret: { env: 'BENCH_CLIENT_SECRET' } }],
    connections: { open: { mcpServerUrl: { env: 'BENCH_UPSTREAM_URL' }, auth: { type: 'none' } } },
    configs: { agent: { open: '*' } },
  }),
)
process.on('message', () => {
  collectGarbage()
  collectGarbage()
  const { rss, heapUsed, external } = process.memoryUsage()
  const sockets = process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length
  process.send?.({ rssKb: rss / 1024, heapKb: (heapUsed + external) / 1024, sockets })
})
process.send?.({ url })
