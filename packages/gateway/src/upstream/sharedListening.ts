import type { Announcement, Listened, ListenOptions } from './notifications.ts'

interface Hub {
  readonly listeners: Map<ListenOptions, ReadonlySet<string>>
  readonly stop: AbortController
  stream: Listened
}

/**
 * One stream for all clients that listen to the same account in the same way: an upstream of the 2025 era has one to
 * give for a session, and refuses a second. An account belongs to one user, so nothing is shared between users.
 */
export function createSharedListening(
  start: (options: ListenOptions & { readonly again: boolean }) => Listened,
): (options: ListenOptions) => Pick<Listened, 'want'> {
  const hubs = new Map<string, Hub>()

  function openFor({ listeners, stop }: Pick<Hub, 'listeners' | 'stop'>, options: ListenOptions, again: boolean) {
    const { target, wants } = options
    const onAnnouncement = (announcement: Announcement): void => {
      for (const listener of listeners.keys()) listener.onAnnouncement(announcement)
    }
    return start({ target, wants, uris: wantedBy(listeners), onAnnouncement, signal: stop.signal, again })
  }

  function join(key: string, options: ListenOptions): Hub {
    const hub = hubs.get(key)
    if (hub === undefined) {
      const made = { listeners: new Map([[options, options.uris]]), stop: new AbortController() }
      const created = { ...made, stream: openFor(made, options, false) }
      hubs.set(key, created)
      return created
    }
    hub.listeners.set(options, options.uris)
    if (hub.stream.isOver()) hub.stream = openFor(hub, options, true)
    else hub.stream.want(wantedBy(hub.listeners))
    return hub
  }

  return (options) => {
    const { target, wants, signal } = options
    if (signal.aborted) return { want: () => undefined }
    const { era, capabilities, logLevel = '' } = wants
    const key = `${era}:${capabilities}:${logLevel}:${target.account.id}`
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
      want(uris) {
        if (!hub.listeners.has(options)) return
        hub.listeners.set(options, uris)
        hub.stream.want(wantedBy(hub.listeners))
      },
    }
  }
}

function wantedBy(listeners: Hub['listeners']): ReadonlySet<string> {
  const wanted = new Set<string>()
  for (const uris of listeners.values()) for (const uri of uris) wanted.add(uri)
  return wanted
}
