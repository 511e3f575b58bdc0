import { LRUCache } from 'lru-cache'
import type { LogLevel } from '../upstream/logLevel.ts'
import { ownerOf } from './legacySession.ts'

/** What a client of the 2025 era has set in its session. */
export interface SessionSettings {
  /** How much it wants to be told (`logging/setLevel`); undefined: as much as the upstream likes. */
  readonly logLevel: LogLevel | undefined
  /** The resources of which it wants to be told (`resources/subscribe`), as the endpoint names them. */
  readonly uris: ReadonlySet<string>
}

/** The settings of sessions, each of which is one client's. They live in this process, as a session's stream does. */
export interface SessionSettingsOf {
  of(sessionId: string): SessionSettings
  setLogLevel(sessionId: string, level: LogLevel): void
  /** Whether the session may have this subscription too. */
  hasRoomFor(sessionId: string, uri: string): boolean
  /** Does nothing where there is no room for it. */
  subscribe(sessionId: string, uri: string): void
  unsubscribe(sessionId: string, uri: string): void
  /** Called with each session whose settings have changed. Returns the unsubscriber. */
  onChange(listener: (sessionId: string) => void): () => void
}

/** Of all users together, and of one, so that nobody's many sessions cost another one its own; in characters. */
const MAX_CHARS = 16 * 1024 * 1024
const MAX_CHARS_OF_USER = 1024 * 1024
/** What a session takes besides its subscriptions. */
const CHARS_OF_EMPTY = 1_600
const MAX_USERS = 10_000
const MAX_URIS_OF_SESSION = 1_000
const MAX_CHARS_OF_SESSION = 64 * 1024
const NOTHING: SessionSettings = { logLevel: undefined, uris: new Set() }

export function createSessionSettings(): SessionSettingsOf {
  const listeners = new Set<(sessionId: string) => void>()
  const users = new LRUCache<string, OfUser>({
    max: MAX_USERS,
    maxSize: MAX_CHARS,
    sizeCalculation: ({ sessions }) => sessions.calculatedSize,
  })

  const of = (sessionId: string): SessionSettings => users.get(ownerOf(sessionId))?.sessions.get(sessionId) ?? NOTHING

  function change(sessionId: string, changed: Partial<SessionSettings>): void {
    const owner = ownerOf(sessionId)
    const sessions = users.get(owner)?.sessions ?? createSessionsOfUser()
    sessions.set(sessionId, { ...of(sessionId), ...changed })
    // As another object, so that it is measured again.
    users.set(owner, { sessions })
    for (const listener of listeners) listener(sessionId)
  }

  function hasRoomFor(sessionId: string, uri: string): boolean {
    const { uris } = of(sessionId)
    if (uris.has(uri)) return true
    return uris.size < MAX_URIS_OF_SESSION && charsOf(uris) + uri.length <= MAX_CHARS_OF_SESSION
  }

  return {
    of,
    setLogLevel(sessionId, logLevel) {
      if (of(sessionId).logLevel !== logLevel) change(sessionId, { logLevel })
    },
    hasRoomFor,
    subscribe(sessionId, uri) {
      const { uris } = of(sessionId)
      if (!uris.has(uri) && hasRoomFor(sessionId, uri)) change(sessionId, { uris: new Set([...uris, uri]) })
    },
    unsubscribe(sessionId, uri) {
      const { uris } = of(sessionId)
      if (uris.has(uri)) change(sessionId, { uris: new Set([...uris].filter((each) => each !== uri)) })
    },
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}

interface OfUser {
  readonly sessions: LRUCache<string, SessionSettings>
}

function createSessionsOfUser(): OfUser['sessions'] {
  return new LRUCache({
    maxSize: MAX_CHARS_OF_USER,
    sizeCalculation: ({ uris }) => CHARS_OF_EMPTY + charsOf(uris),
  })
}

function charsOf(uris: ReadonlySet<string>): number {
  let chars = 0
  for (const uri of uris) chars += uri.length
  return chars
}
