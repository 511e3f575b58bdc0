import type { Announcement, ListenOptions } from './notifications.ts'

interface Hub {
  readonly listeners: Set<ListenOptions>
  /** What the stream asks for. */
  uris: ReadonlySet<string>
  /** Ends the stream. */
  stop: AbortController
  /** The upstream has no such stream, or had none when it was asked. */
  isOver: boolean
}

/**
 * One stream for all clients that listen to the same account in the same way: an upstream of the 2025 era has one to
 * give for a session, and refuses a second. An account belongs to one user, so nothing is shared between users.
 */
export function createSharedListening(
  start: (options: ListenOptions & { readonly again: boolean }) => Promise<void>,
): (options: ListenOptions) => void {
  const hubs = new Map<string, Hub>()

  function open(key: string, { target, wants }: ListenOptions, hub: Hub, again: boolean): void {
    const { signal } = hub.stop
    const onAnnouncement = (announcement: Announcement): void => {
      for (const listener of hub.listeners) listener.onAnnouncement(announcement)
    }
    hub.isOver = false
    hubs.set(key, hub)
    void start({ target, wants, uris: [...hub.uris], onAnnouncement, signal, again }).finally(() => {
      if (hub.stop.signal === signal) hub.isOver = true
    })
  }

  function join(key: string, options: ListenOptions): Hub {
    const hub = hubs.get(key)
    if (hub === undefined) {
      const uris = new Set(options.uris)
      const created = { listeners: new Set([options]), uris, stop: new AbortController(), isOver: false }
      open(key, options, created, false)
      return created
    }
    hub.listeners.add(options)
    if (!hub.isOver && options.uris.every((uri) => hub.uris.has(uri))) return hub
    // What a stream tells is said when it is opened.
    hub.stop.abort()
    hub.stop = new AbortController()
    hub.uris = new Set([...hub.uris, ...options.uris])
    open(key, options, hub, true)
    return hub
  }

  return (options) => {
    const { target, wants, signal } = options
    if (signal.aborted) return
    const key = `${wants.era}:${wants.capabilities}:${target.account.id}`
    const hub = join(key, options)
    signal.addEventListener(
      'abort',
      () => {
        hub.listeners.delete(options)
        if (hub.listeners.size > 0) return
        hub.stop.abort()
        hubs.delete(key)
      },
      { once: true },
    )
  }
}
