import { serve as listen, type ServerType } from '@hono/node-server'
import { once } from 'node:events'

export interface ServeMetricsOptions {
  readonly metrics: () => Promise<string>
  readonly host: string
  readonly port: number
}

/** Serves `GET /metrics` at an address of its own, so that it is never on the public one. */
export async function serveMetrics({ metrics, host, port }: ServeMetricsOptions): Promise<ServerType> {
  const server = listen({ fetch: async (request) => await answer(request, metrics), hostname: host, port })
  if (!server.listening) await once(server, 'listening')
  // What scrapes must not keep the process from ending.
  server.unref()
  return server
}

async function answer(request: Request, metrics: () => Promise<string>): Promise<Response> {
  if (new URL(request.url).pathname !== '/metrics') return new Response('Not found\n', { status: 404 })
  return new Response(await metrics(), { headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' } })
}
