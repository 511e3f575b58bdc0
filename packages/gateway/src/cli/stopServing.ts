import type { ServerType } from '@hono/node-server'
import { once } from 'node:events'
import type { Gateway } from '../gateway.ts'

/** Less than the 30 s after which container platforms kill a process. */
const GRACE_MS = 20_000

/**
 * Takes no new requests, and lets those be answered that have begun. Whoever is still not done after the grace, such as
 * a client that stopped in the middle of its request, is cut off.
 */
export async function stopServing(
  server: ServerType,
  gateway: Pick<Gateway, 'close'>,
  { graceMs = GRACE_MS }: { graceMs?: number } = {},
): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  const cutOff = setTimeout(() => {
    if ('closeAllConnections' in server) server.closeAllConnections()
  }, graceMs)
  try {
    // Ends the open event streams, without which the server would never close.
    await gateway.close()
    await closed
  } finally {
    clearTimeout(cutOff)
  }
}
