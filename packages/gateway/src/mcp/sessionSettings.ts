import { LRUCache } from 'lru-cache'
import type { LogLevel } from '../upstream/logLevel.ts'

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
  /** False where the session has as many subscriptions as it may have. */
  subscribe(sessionId: string, uri: string): boolean
  unsubscribe(sessionId: string, uri: string): void
  /** Called with each session whose settings have changed. Returns the unsubscriber. */
  onChange(listener: (sessionId: string) => void): () => void
}

const MAX_SESSIONS = 10_000
const MAX_CHARS = 16 * 1024 * 1024
const MAX_URIS_OF_SESSION = 1_000
const MAX_CHARS_OF_SESSION = 64 * 1024
const NOTHING: SessionSettings = { logLevel: undefined, uris: new Set() }

export function createSessionSettings(): SessionSettingsOf {
  const listeners = new Set<(sessionId: string) => void>()
  const sessions = new LRUCache<string, SessionSettings>({
    max: MAX_SESSIONS,
    maxSize: MAX_CHARS,
    sizeCalculation: ({ uris }) => 1 + charsOf(uris),
  })

  const of = (sessionId: string): SessionSettings => sessions.get(sessionId) ?? NOTHING

  function change(sessionId: string, changed: Partial<SessionSettings>): void {
    sessions.set(sessionId, { ...of(sessionId), ...changed })
    for (const listener of listeners) listener(sessionId)
  }

  return {
    of,
    setLogLevel(sessionId, logLevel) {
      if (of(sessionId).logLevel !== logLevel) change(sessionId, { logLevel })
    },
    subscribe(sessionId, uri) {
      const { uris } = of(sessionId)
      if (uris.has(uri)) return true
      if (uris.size >= MAX_URIS_OF_SESSION || charsOf(uris) + uri.length > MAX_CHARS_OF_SESSION) return false
      change(sessionId, { uris: new Set([...uris, uri]) })
      return true
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

function charsOf(uris: ReadonlySet<string>): number {
  let chars = 0
  for (const uri of uris) chars += uri.length
  return chars
}
