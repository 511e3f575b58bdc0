import { once } from 'node:events'
import { serve } from '@hono/node-server'

export interface Listener extends AsyncDisposable {
  readonly origin: string
  close(): Promise<void>
}

/** Serves a fetch handler on a free port of the loopback address. */
export async function listen(fetch: (request: Request) => Response | Promise<Response>): Promise<Listener> {
  const server = serve({ fetch, hostname: '127.0.0.1', port: 0 })
  if (!server.listening) await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('not listening on a port')
  const close = async (): Promise<void> => {
    const closed = once(server, 'close')
    server.close()
    if ('closeAllConnections' in server) server.closeAllConnections()
    await closed
  }
  return { origin: `http://127.0.0.1:${address.port}`, close, [Symbol.asyncDispose]: close }
}
