/**
 * The program of somebody who has installed the packages. It runs in a folder with nothing but the tarballs and what they
 * depend on: its own gateway, and one user's tools in every framework.
 */
import { serve } from '@hono/node-server'
import { createLatchkey } from '@latchkey/core'
import { createGateway } from '@latchkey/gateway'
import * as langchain from '@latchkey/langchain'
import * as mastra from '@latchkey/mastra'
import * as openAiAgents from '@latchkey/openai-agents'
import * as vercelAi from '@latchkey/vercel-ai'
import { once } from 'node:events'

const [mcpServerUrl = ''] = process.argv.slice(2)
const config = 'directory-agent'
const client = { clientId: 'app', clientSecret: 'the-secret-of-the-packed-app' }

// The gateway must know its own address, so the port comes first.
const ready = Promise.withResolvers<Awaited<ReturnType<typeof createGateway>>>()
const fetch = async (request: Request) => (await ready.promise).fetch(request)
const server = serve({ fetch, hostname: '127.0.0.1', port: 0, overrideGlobalObjects: false })
await once(server, 'listening')
const address = server.address()
if (address === null || typeof address === 'string') throw new Error('The server has no port.')
const url = `http://127.0.0.1:${address.port}`
const gateway = await createGateway({
  publicUrl: url,
  database: 'sqlite:./data/latchkey.db',
  clients: [client],
  connections: { directory: { mcpServerUrl, auth: { type: 'api_key', header: 'X-Api-Key' } } },
  configs: { [config]: { directory: ['find_person'] } },
  log: () => {},
})
ready.resolve(gateway)

const latchkey = createLatchkey({ ...client, url, config })
const [tool, ...others] = await langchain.createUserTools(latchkey)('ann', {
  onAuthorizationRequired(connections) {
    process.send?.({ links: connections.map(({ authenticationLink }) => authenticationLink) })
  },
})
const answer: unknown = await tool?.invoke({ name: 'Dana' })
process.send?.({
  langchain: [tool?.name, ...others.map(({ name }) => name)],
  mastra: Object.keys(await mastra.createUserTools(latchkey)('ann')),
  openAiAgents: (await openAiAgents.createUserTools(latchkey)('ann')).map(({ name }) => name),
  vercelAi: Object.keys(await vercelAi.createUserTools(latchkey)('ann')),
  answer,
})

await latchkey.close()
server.close()
await gateway.close()
process.disconnect?.()
