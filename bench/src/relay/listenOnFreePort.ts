import { serve } from '@hono/node-server'
import { once } from 'node:events'

/** Serves as `latchkey serve` does, on a free loopback port; gives the origin. */
export async function listenOnFreePort(
  fetch: (request: Request, environment: unknown) => Promise<Response>,
): Promise<string> {
  const server = serve({ fetch, hostname: '127.0.0.1', port: 0 })
  if (!server.listening) await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The server listens on no port.')
  return `http://127.0.0.1:${address.port}`
}
