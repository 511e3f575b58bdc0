/**
 * Many clients in a process of their own. Opens one event stream for each user that it is told, on a socket of its own;
 * then tells when each stream was told its first event, as soon as all have been. Reads `BENCH_URL` and `BENCH_TOKEN`.
 */
import { connect, type Socket } from 'node:net'
import * as z from 'zod'

const AT_ONCE = 200
const environment = z.object({ BENCH_URL: z.url(), BENCH_TOKEN: z.string() }).parse(process.env)
const { hostname, port, host } = new URL(environment.BENCH_URL)
const commandSchema = z.union([z.object({ open: z.array(z.string()) }), z.object({ close: z.literal(true) })])

let sockets: Socket[] = []
process.on('disconnect', () => process.exit())
process.on('message', (message) => {
  const command = commandSchema.parse(message)
  if ('close' in command) {
    for (const socket of sockets) socket.destroy()
    sockets = []
    process.send?.({ closed: true })
  } else void openAll(command.open)
})
process.send?.({ started: true })

async function openAll(users: readonly string[]): Promise<void> {
  const told: Promise<number>[] = []
  for (let start = 0; start < users.length; start += AT_ONCE) {
    const opened = await Promise.all(users.slice(start, start + AT_ONCE).map(open))
    told.push(...opened.map((stream) => stream.told))
  }
  process.send?.({ opened: users.length })
  process.send?.({ toldAt: await Promise.all(told) })
}

/** Resolves when the stream says that it is subscribed. */
async function open(user: string): Promise<{ told: Promise<number> }> {
  const subscribed = Promise.withResolvers<void>()
  const told = Promise.withResolvers<number>()
  const socket = connect(Number(port), hostname)
  sockets.push(socket)
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
    if (text.includes(': subscribed')) subscribed.resolve()
    if (!text.includes('event: ')) return
    text = ''
    told.resolve(performance.timeOrigin + performance.now())
  })
  socket.once('error', subscribed.reject)
  socket.write(
    `GET /api/v1/events?user_identifier=${encodeURIComponent(user)} HTTP/1.1\r\nHost: ${host}\r\n` +
      `Accept: text/event-stream\r\nAuthorization: Bearer ${environment.BENCH_TOKEN}\r\n\r\n`,
  )
  await subscribed.promise
  return { told: told.promise }
}
