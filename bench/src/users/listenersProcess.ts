/**
 * Agents that listen, in a process of their own. Opens one `subscriptions/listen` stream on each URL that it is told, on a
 * socket of its own, and says when all are open; closes them when it is told so.
 */
import { connect, type Socket } from 'node:net'
import * as z from 'zod'

const AT_ONCE = 100
const commandSchema = z.union([z.object({ open: z.array(z.url()) }), z.object({ close: z.literal(true) })])
const body = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'subscriptions/listen',
  params: {
    notifications: { toolsListChanged: true },
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1.0.0' },
      'io.modelcontextprotocol/clientCapabilities': {},
    },
  },
})

let sockets: Socket[] = []
process.on('disconnect', () => process.exit())
process.on('message', (message) => {
  const command = commandSchema.parse(message)
  if ('open' in command) void openAll(command.open)
  else closeAll()
})
process.send?.({ started: true })

async function openAll(urls: readonly string[]): Promise<void> {
  for (let start = 0; start < urls.length; start += AT_ONCE) {
    await Promise.all(urls.slice(start, start + AT_ONCE).map(open))
  }
  process.send?.({ opened: urls.length })
}

function closeAll(): void {
  for (const socket of sockets) socket.destroy()
  sockets = []
  process.send?.({ closed: true })
}

/** Resolves when the stream says that it listens. */
async function open(url: string): Promise<void> {
  const { hostname, port, host, pathname } = new URL(url)
  const acknowledged = Promise.withResolvers<void>()
  const socket = connect(Number(port), hostname)
  sockets.push(socket)
  let text = ''
  socket.on('data', (chunk) => {
    if (text.length > 4096) return
    text += chunk.toString('latin1')
    if (text.includes('subscriptions/acknowledged')) acknowledged.resolve()
    else if (/^HTTP\/1\.1 [^2]/.test(text))
      acknowledged.reject(new Error(`The stream was refused: ${text.slice(0, 200)}`))
  })
  socket.once('error', acknowledged.reject)
  socket.write(
    `POST ${pathname} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nAccept: application/json, text/event-stream\r\n` +
      `MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: subscriptions/listen\r\n\r\n${body}`,
  )
  await acknowledged.promise
}
