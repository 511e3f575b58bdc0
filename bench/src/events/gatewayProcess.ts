/** The gateway in a process of its own. Reads `BENCH_CLIENT_SECRET`; tells its URL, and its memory whenever it is asked. */
import { serve } from '@hono/node-server'
import { createGateway, type Gateway } from '@latchkey/gateway'
import { once } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

process.on('disconnect', () => process.exit())
const gateway = Promise.withResolvers<Gateway>()
const server = serve({
  fetch: async (request) => await (await gateway.promise).fetch(request),
  hostname: '127.0.0.1',
  port: 0,
})
if (!server.listening) await once(server, 'listening')
const address = server.address()
if (address === null || typeof address === 'string') throw new Error('The server listens on no port.')
const url = `http://127.0.0.1:${address.port}`
gateway.resolve(
  await createGateway({
    publicUrl: url,
    database: 'sqlite::memory:',
    clients: [{ clientId: 'bench', clientSecret: { env: 'BENCH_CLIENT_SECRET' } }],
    connections: {
      mail: { mcpServerUrl: 'http://127.0.0.1:9/mcp', auth: { type: 'api_key', header: 'X-Api-Key' } },
    },
    configs: { agent: { mail: '*' } },
  }),
)
process.on('message', () => {
  collectGarbage()
  collectGarbage()
  const { rss, heapUsed, external } = process.memoryUsage()
  process.send?.({ rssKb: rss / 1024, heapKb: (heapUsed + external) / 1024 })
})
process.send?.({ url })
