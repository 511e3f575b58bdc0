/**
 * An agent that has run wild, in a process of its own: from `{ url }` on it calls through that URL, so many times a second
 * whatever it is told, until `{ stop: true }`; then it tells how often it called and how often it was refused.
 */
import * as z from 'zod'
import { message as request } from '../relay/message.ts'

const CALLS_PER_SECOND = 500
const TICK_MS = 10
/** Then it waits: what is not answered is not piled up without end. */
const MAX_UNDER_WAY = 200
const commandSchema = z.union([z.object({ url: z.url() }), z.object({ stop: z.literal(true) })])

let timer: NodeJS.Timeout | undefined
let told = { sent: 0, refused: 0 }
let underWay = 0
process.on('disconnect', () => process.exit())
process.on('message', (message) => {
  const command = commandSchema.parse(message)
  clearInterval(timer)
  if ('stop' in command) {
    process.send?.(told)
    return
  }
  told = { sent: 0, refused: 0 }
  const call = request(command.url, 'tools/call', { name: 'ping', arguments: {} }, { 'x-forwarded-for': '10.0.0.1' })
  timer = setInterval(() => {
    for (let sent = 0; sent < (CALLS_PER_SECOND * TICK_MS) / 1000; sent += 1) void send(call)
  }, TICK_MS)
})
process.send?.({ started: true })

async function send(call: () => Promise<string>): Promise<void> {
  if (underWay >= MAX_UNDER_WAY) return
  underWay += 1
  told.sent += 1
  try {
    await call()
  } catch (error) {
    if (error instanceof Error && error.message.includes(': 429 ')) told.refused += 1
  } finally {
    underWay -= 1
  }
}
