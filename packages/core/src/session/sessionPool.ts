import { LRUCache } from 'lru-cache'
import type { Timing } from '../timing/timing.ts'
import { McpSession, type McpSessionOptions } from './mcpSession.ts'

/** What a session belongs to. Two that differ in any part never share a session, a list or a discovery. */
export interface SessionKey {
  readonly backendIdentity: string
  readonly userIdentifier: string
  readonly configName: string
  readonly endpointUrl: string
  readonly credentialKind: string
  /** What the credential is narrowed to. */
  readonly scope: string
}

/** The key as one string. JSON of an array, so that no two tuples give the same one. */
export function encodeSessionKey(key: SessionKey): string {
  const { backendIdentity, userIdentifier, configName, endpointUrl, credentialKind, scope } = key
  return JSON.stringify([backendIdentity, userIdentifier, configName, endpointUrl, credentialKind, scope])
}

interface Entry {
  readonly userIdentifier: string
  readonly session: McpSession
  /** Uses under way. */
  uses: number
  /** Set when it is out of the pool: called when the last use ends. */
  onUnused: (() => void) | undefined
  cancelIdle: (() => void) | undefined
}

/** One session for each key; closed when it was idle for a while, and when there are too many. */
export class SessionPool implements AsyncDisposable {
  readonly #entries: LRUCache<string, Entry>
  readonly #timing: Timing
  readonly #idleMs: number
  readonly #closing = new Set<Promise<void>>()

  constructor({ timing, idleMs = 300_000, max = 10_000 }: { timing: Timing; idleMs?: number; max?: number }) {
    this.#timing = timing
    this.#idleMs = idleMs
    this.#entries = new LRUCache({ max, dispose: (entry) => this.#retire(entry) })
  }

  get size(): number {
    return this.#entries.size
  }

  /** Uses the session of this key, made from `options` if there is none. It is not closed meanwhile. */
  async use<T>(
    key: SessionKey,
    options: () => McpSessionOptions,
    work: (session: McpSession) => Promise<T>,
  ): Promise<T> {
    const encoded = encodeSessionKey(key)
    const entry = this.#entries.get(encoded) ?? this.#add(encoded, key, options())
    entry.uses += 1
    entry.cancelIdle?.()
    try {
      return await work(entry.session)
    } finally {
      entry.uses -= 1
      if (entry.uses === 0) this.#rest(encoded, entry)
    }
  }

  /** The session of this key, if there is one, without using it. */
  peek(key: SessionKey): McpSession | undefined {
    return this.#entries.peek(encodeSessionKey(key))?.session
  }

  /** Takes the session of this key out; it is closed when its last use ends. */
  drop(key: SessionKey): void {
    this.#entries.delete(encodeSessionKey(key))
  }

  /** Takes every session of this user out, whatever the config. */
  dropUser(userIdentifier: string): void {
    for (const [encoded, { userIdentifier: owner }] of this.#entries.entries()) {
      if (owner === userIdentifier) this.#entries.delete(encoded)
    }
  }

  /** Closes every session when its uses have ended, and waits until that is done. */
  async close(): Promise<void> {
    this.#entries.clear()
    await Promise.all(this.#closing)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #add(encoded: string, { userIdentifier }: SessionKey, options: McpSessionOptions): Entry {
    const session = new McpSession(options)
    const entry: Entry = { userIdentifier, session, uses: 0, onUnused: undefined, cancelIdle: undefined }
    this.#entries.set(encoded, entry)
    return entry
  }

  #rest(encoded: string, entry: Entry): void {
    if (entry.onUnused) return entry.onUnused()
    const leave = () => {
      if (this.#entries.peek(encoded) === entry) this.#entries.delete(encoded)
    }
    entry.cancelIdle = this.#timing.setTimer(leave, this.#idleMs, { background: true })
  }

  #retire(entry: Entry): void {
    entry.cancelIdle?.()
    const closing = unused(entry)
      .then(() => entry.session.close())
      .catch(() => {})
    this.#closing.add(closing)
    void closing.then(() => this.#closing.delete(closing))
  }
}

function unused(entry: Entry): Promise<void> {
  return new Promise((resolve) => {
    entry.onUnused = resolve
    if (entry.uses === 0) resolve()
  })
}
