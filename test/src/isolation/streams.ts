import type { Door, RawClient } from './rawClient.ts'

export interface Streams {
  /** Opens a stream of notifications for a user; the oldest ends where there are too many. */
  open(user: string, door: Door, era: 'modern' | 'legacy'): Promise<void>
  /** Ends all of them, and waits until what came was searched. */
  close(): Promise<void>
}

const MOST_OPEN = 40
const NOTIFICATIONS = { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true }

/** Streams that stay open over what happens meanwhile. */
export function createStreams({
  client,
  inspect,
}: {
  readonly client: RawClient
  readonly inspect: (user: string, bytes: string) => void
}): Streams {
  const open = new Map<AbortController, Promise<void>>()

  function start(user: string, follow: (signal: AbortSignal) => Promise<string>): void {
    const abort = new AbortController()
    const [oldest] = open.keys()
    if (open.size >= MOST_OPEN) oldest?.abort()
    const ended = follow(abort.signal).then((bytes) => {
      open.delete(abort)
      inspect(user, bytes)
      return undefined
    })
    open.set(abort, ended)
  }

  return {
    async open(user, door, era) {
      if (era === 'modern') {
        const call = { door, era, method: 'subscriptions/listen', params: { notifications: NOTIFICATIONS }, id: 1 }
        return start(user, (signal) => client.send({ ...call, signal }))
      }
      const clientInfo = { name: 'isolation', version: '1.0.0' }
      const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo }
      const bytes = await client.send({ door, era, method: 'initialize', params, id: 1 })
      inspect(user, bytes)
      const session = /"mcp-session-id","([^"]+)"/i.exec(bytes)?.[1]
      if (session !== undefined) start(user, (signal) => client.follow({ door, session, signal }))
    },
    async close() {
      const ends = [...open.values()]
      for (const abort of open.keys()) abort.abort()
      await Promise.all(ends)
    },
  }
}
