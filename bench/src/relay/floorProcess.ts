/**
 * The floor: a proxy that forwards bytes and knows nothing of MCP, users or credentials. Reads `BENCH_UPSTREAM_URL`;
 * tells its URL.
 */
import { request as send } from 'undici'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { serveParent } from './serveParent.ts'

const upstream = process.env['BENCH_UPSTREAM_URL'] ?? ''
const HOP_BY_HOP = new Set(['host', 'connection', 'content-length', 'transfer-encoding', 'keep-alive'])

const server = createServer((incoming, outgoing) => {
  const headers = Object.fromEntries(Object.entries(incoming.headers).filter(([name]) => !HOP_BY_HOP.has(name)))
  const forward = async (): Promise<void> => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk)
    const answer = await send(upstream, { method: 'POST', headers, body: Buffer.concat(chunks) })
    const body = Buffer.from(await answer.body.arrayBuffer())
    outgoing.writeHead(answer.statusCode, {
      'content-type': String(answer.headers['content-type']),
      'content-length': body.byteLength,
    })
    outgoing.end(body)
  }
  forward().catch(() => outgoing.destroy())
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const address = server.address()
if (address === null || typeof address === 'string') throw new Error('The proxy listens on no port.')
serveParent({ url: `http://127.0.0.1:${address.port}` })
