import type { ListTarget } from './lists.ts'
import type { Announcement, Listened, ListenOptions, SharedOptions } from './notifications.ts'

/** One client's part in a stream that it shares. */
export interface SharedListened {
  /** The resources of which a change is to be told from now on, and the account and its connection as they are by now. */
  readonly want: (uris: ReadonlySet<string>, target: ListTarget) => void
}

interface Hub {
  readonly listeners: Map<ListenOptions, ReadonlySet<string>>
  readonly stop: AbortController
  /** As whoever came or looked last has found it. */
  target: ListTarget
  stream: Listened
}

/**
 * One stream for all clients that listen to the same account in the same way, at the same server: an upstream of the 2025
 * era has one to give for a session, and refuses a second. An account belongs to one user, so nothing is shared between
 * users.
 */
export function createSharedListening(
  start: (options: SharedOptions) => Listened,
): (options: ListenOptions) => SharedListened {
  const hubs = new Map<string, Hub>()

  function openFor(hub: Omit<Hub, 'stream'>, { wants }: ListenOptions, again: boolean): Listened {
    const { listeners, stop } = hub
    const target = (): ListTarget => hub.target
    const onAnnouncement = (announcement: Announcement): void => {
      for (const listener of listeners.keys()) listener.onAnnouncement(announcement)
    }
    return start({ target, wants, uris: wantedBy(listeners), onAnnouncement, signal: stop.signal, again })
  }

  function join(key: string, options: ListenOptions): Hub {
    const hub = hubs.get(key)
    if (hub === undefined) {
      const listeners = new Map([[options, options.uris]])
      const made = { listeners, stop: new AbortController(), target: options.target }
      const created = Object.assign(made, { stream: openFor(made, options, false) })
      hubs.set(key, created)
      return created
    }
    wantOf(hub, options, options.uris, options.target)
    return hub
  }

  /** An upstream that had no stream to give may have one by now. */
  function wantOf(hub: Hub, options: ListenOptions, uris: ReadonlySet<string>, target: ListTarget): void {
    hub.target = target
    hub.listeners.set(options, uris)
    if (hub.stream.isOver()) hub.stream = openFor(hub, options, true)
    else hub.stream.want(wantedBy(hub.listeners))
  }

  return (options) => {
    const { target, wants, signal } = options
    if (signal.aborted) return { want: () => undefined }
    const { era, capabilities, logLevel = '' } = wants
    const { account, connection } = target
    const key = `${era}:${capabilities}:${logLevel}:${account.id}:${connection.mcpServerUrl}`
    const hub = join(key, options)
    signal.addEventListener(
      'abort',
      () => {
        hub.listeners.delete(options)
        if (hub.listeners.size > 0) return hub.stream.want(wantedBy(hub.listeners))
        hub.stop.abort()
        hubs.delete(key)
      },
      { once: true },
    )
    return {
      want(uris, now) {
        if (hub.listeners.has(options)) wantOf(hub, options, uris, now)
      },
    }
  }
}

function wantedBy(listeners: Hub['listeners']): ReadonlySet<string> {
  const wanted = new Set<string>()
  for (const uris of listeners.values()) for (const uri of uris) wanted.add(uri)
  return wanted
}
