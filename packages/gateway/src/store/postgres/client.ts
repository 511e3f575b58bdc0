import { Client } from 'pg'
import type { Secret } from '../../secret.ts'

const CONNECT_TIMEOUT_MS = 10_000

/**
 * A host that vanishes keeps its session, and with it its locks, until the server notices: after twenty seconds instead of
 * the two hours that are usual.
 */
const NOTICE_THE_DEAD = 'set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 2'

/**
 * One connection of its own, for what belongs to a session: locks and notifications. They need a connection to Postgres
 * itself, or a pooler that pools sessions.
 *
 * @param onLost - called once, when the connection has ended for whatever reason.
 */
export async function connectClient(url: Secret, onLost: () => void): Promise<Client> {
  const client = new Client({
    connectionString: url.reveal(),
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    application_name: 'latchkey session',
  })
  // Without a listener an error would end the process; `end` follows it.
  client.on('error', () => {})
  client.once('end', onLost)
  try {
    await client.connect()
    await client.query(NOTICE_THE_DEAD)
    return client
  } catch (error) {
    await client.end().catch(() => {})
    throw error
  }
}
