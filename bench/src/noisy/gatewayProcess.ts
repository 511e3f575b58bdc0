/**
 * The gateway in a process of its own, with the rate limits that it has on a public address, behind a proxy that says who
 * asks. Reads `BENCH_UPSTREAM_URL` and `BENCH_CLIENT_SECRET`; tells its URL.
 */
import { createGateway, type Gateway } from '@latchkey/gateway'
import { listenOnFreePort } from '../relay/listenOnFreePort.ts'

/** As on a public address, where nothing else is said. */
const perMinute = (requests: number) => ({ requests, seconds: 60 })
const rateLimits = {
  address: perMinute(6000),
  failure: perMinute(60),
  client: perMinute(30_000),
  user: perMinute(3000),
  credential: perMinute(1500),
}

process.on('disconnect', () => process.exit())
const gateway = Promise.withResolvers<Gateway>()
const url = await listenOnFreePort(async (...args) => await (await gateway.promise).fetch(...args))
gateway.resolve(
  await createGateway({
    publicUrl: url,
    database: 'sqlite::memory:',
    rateLimits,
    trustedProxies: ['127.0.0.1'],
    clients: [{ clientId: 'bench', clientSecret: { env: 'BENCH_CLIENT_SECRET' } }],
    connections: { open: { mcpServerUrl: { env: 'BENCH_UPSTREAM_URL' }, auth: { type: 'none' } } },
    configs: { agent: { open: '*' } },
  }),
)
process.send?.({ url })
