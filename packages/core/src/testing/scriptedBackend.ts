import { randomUUID } from 'node:crypto'
import { EventEmitter, on } from 'node:events'
import type { Backend, McpInstance, SessionToken, StatusEvent } from '../backends/backend.ts'
import { PrivateInstance } from '../backends/privateInstance.ts'
import { PrivateSessionToken } from '../backends/privateSessionToken.ts'
import { notAllActive } from '../backends/sessionTokens.ts'
import { LatchkeyError } from '../errors.ts'
import type { Fetch } from '../http/httpClient.ts'
import { ConnectionState, type ConnectedAccountStatus } from '../readiness/connectionState.ts'
import { deriveCredentialKeys } from '../signing/credentialKeys.ts'
import { createInstanceIds } from '../signing/instanceIds.ts'
import { abortion } from '../timing/abortion.ts'
import { systemTiming, type Timing } from '../timing/timing.ts'
import { untilAborted } from '../timing/untilAborted.ts'
import { answerMcp, type ScriptedTool } from './scriptedEndpoint.ts'

/** A change that comes by itself. */
export interface ScriptedChange {
  /** Milliseconds after the user's instance was ensured for the first time. */
  readonly afterMs: number
  readonly connection: string
  readonly status: ConnectedAccountStatus
}

export interface ScriptedBackendOptions {
  /** What the config needs. Default: `['mail']`. */
  connections?: readonly string[] | undefined
  /** What happens to every user's connections, which are `PENDING_AUTH` at first. Default: nothing, until `setStatus`. */
  timeline?: readonly ScriptedChange[] | undefined
  /** By the name that the endpoint lists. Default: `whoami`, which answers with the user identifier. */
  tools?: Readonly<Record<string, ScriptedTool>> | undefined
  /** Whether changes are pushed. Default true. */
  events?: boolean | undefined
  /** Milliseconds that a session token lasts. Default 3,600,000. */
  sessionTokenMs?: number | undefined
  /**
   * Called before each answer. What it waits for makes the backend slow, and what it throws, a `LatchkeyError`, makes it
   * fail. For answers that are not true, put methods of your own over those of the backend.
   */
  before?: ((call: ScriptedCall) => void | Promise<void>) | undefined
  /** The one config that there is. Default `scripted`. */
  configName?: string | undefined
  /** Share it with `createLatchkey`. Default: the machine's clock. */
  timing?: Timing | undefined
}

export type ScriptedMethod = 'ensureInstance' | 'getAuthState' | 'getAuthLinks' | 'createSessionToken'

export interface ScriptedCall {
  readonly method: ScriptedMethod
  readonly userIdentifier: string
}

/** A backend in memory that does what a test says, and the MCP endpoint to which it leads. */
export interface ScriptedBackend extends Backend {
  /** Answers for the MCP endpoint, and refuses every other address: for `createLatchkey({ backend, fetch })`. */
  readonly fetch: Fetch
  setStatus(userIdentifier: string, connection: string, status: ConnectedAccountStatus): void
  /** Refuses every session token that it has given so far. */
  endSessionTokens(): void
  /** What the endpoint answers with from now on instead of serving; undefined: it serves again. */
  serveStatus(httpStatus: number | undefined): void
  /** What was asked of the backend, in order. */
  readonly calls: readonly ScriptedCall[]
  /** `user tool`, for each call of a tool that was carried out. */
  readonly toolCalls: readonly string[]
  /** The same service as another process has it: everything is shared but `close`. */
  reopen(): Backend
}

const ENDPOINT = 'https://scripted.invalid/mcp'

/**
 * Makes a backend for tests of an app, an adapter or of Latchkey itself: no network, no time that passes by itself.
 *
 * @example
 * const timing = new ManualTiming()
 * const backend = createScriptedBackend({ timing, timeline: [{ afterMs: 4_000, connection: 'mail', status: 'ACTIVE' }] })
 * const latchkey = createLatchkey({ backend, fetch: backend.fetch, timing })
 */
export function createScriptedBackend(options: ScriptedBackendOptions = {}): ScriptedBackend {
  const service = new ScriptedService(options)
  return Object.freeze<ScriptedBackend>({
    ...service.backend(),
    fetch: service.fetch,
    setStatus: (userIdentifier, connection, status) => service.setStatus(userIdentifier, connection, status),
    endSessionTokens: () => service.endSessionTokens(),
    serveStatus: (httpStatus) => service.serveStatus(httpStatus),
    calls: service.calls,
    toolCalls: service.toolCalls,
    reopen: () => service.backend(),
  })
}

class ScriptedService {
  readonly calls: ScriptedCall[] = []
  readonly toolCalls: string[] = []
  readonly #options: Required<ScriptedBackendOptions>
  readonly #statuses = new Map<string, ConnectedAccountStatus>()
  readonly #users = new Set<string>()
  readonly #tokens = new Map<string, { userIdentifier: string; tools: readonly string[] | undefined; endsAt: number }>()
  readonly #events = new EventEmitter()
  readonly #keys = deriveCredentialKeys(['scripted'], 'scripted', randomUUID())
  readonly #ids = createInstanceIds(this.#keys.sign)
  #httpStatus: number | undefined

  constructor(options: ScriptedBackendOptions) {
    this.#options = {
      connections: options.connections ?? ['mail'],
      timeline: options.timeline ?? [],
      tools: options.tools ?? { whoami: (_args, { userIdentifier }) => userIdentifier },
      events: options.events ?? true,
      sessionTokenMs: options.sessionTokenMs ?? 3_600_000,
      before: options.before ?? (() => {}),
      configName: options.configName ?? 'scripted',
      timing: options.timing ?? systemTiming,
    }
    this.#events.setMaxListeners(0)
  }

  backend(): Backend {
    return Object.freeze<Backend>({
      name: 'scripted backend',
      ...this.#keys,
      defaultConfig: this.#options.configName,
      ensureInstance: async ({ configName, userIdentifier }, { signal } = {}) => {
        await this.#called('ensureInstance', userIdentifier, signal)
        return { instance: this.#ensure(configName, userIdentifier) }
      },
      getAuthState: async (instanceId, { signal, includeAuthLinks = false } = {}) => {
        const { userIdentifier } = this.#ids.read(instanceId)
        await this.#called(includeAuthLinks ? 'getAuthLinks' : 'getAuthState', userIdentifier, signal)
        return this.#states(userIdentifier, includeAuthLinks)
      },
      createSessionToken: async ({ instance, tools, allowPartial = false, expirySeconds }, { signal } = {}) => {
        await this.#called('createSessionToken', instance.userIdentifier, signal)
        return this.#mint(instance, tools, allowPartial, expirySeconds)
      },
      ...(this.#options.events && {
        statusEvents: (instanceId: string, listening: { signal: AbortSignal; onOpen?: () => void }) =>
          this.#pushed(this.#ids.read(instanceId).userIdentifier, listening),
      }),
      close: async () => {},
    })
  }

  readonly fetch: Fetch = async (url, { method = 'GET', headers, body } = {}) => {
    if (new URL(url).href !== ENDPOINT) throw new TypeError('the scripted backend serves no other address')
    if (this.#httpStatus !== undefined) return new Response('', { status: this.#httpStatus })
    const token = this.#tokens.get((new Headers(headers).get('authorization') ?? '').replace(/^Bearer /, ''))
    if (!token || this.#options.timing.now() >= token.endsAt) return new Response('', { status: 401 })
    if (method !== 'POST' || typeof body !== 'string') return new Response('', { status: 405 })
    const { userIdentifier } = token
    return await answerMcp(body, { userIdentifier, tools: this.#toolsOf(userIdentifier, token.tools) })
  }

  setStatus(userIdentifier: string, connection: string, status: ConnectedAccountStatus): void {
    this.#statuses.set(JSON.stringify([userIdentifier, connection]), status)
    this.#events.emit('change', { userIdentifier, connection, status })
  }

  endSessionTokens(): void {
    this.#tokens.clear()
  }

  serveStatus(httpStatus: number | undefined): void {
    this.#httpStatus = httpStatus
  }

  async #called(method: ScriptedMethod, userIdentifier: string, signal: AbortSignal | undefined): Promise<void> {
    const call = { method, userIdentifier }
    this.calls.push(call)
    try {
      signal?.throwIfAborted()
      await untilAborted(Promise.resolve(this.#options.before(call)), signal)
    } catch (error) {
      throw signal?.aborted ? abortion(signal, method) : error
    }
  }

  #ensure(configName: string, userIdentifier: string): McpInstance {
    const { configName: known, timeline, timing } = this.#options
    if (configName !== known)
      throw new LatchkeyError('unknown_config', `no MCP config is named ${JSON.stringify(configName)}; known: ${known}`)
    if (!this.#users.has(userIdentifier)) {
      this.#users.add(userIdentifier)
      for (const { afterMs, connection, status } of timeline)
        timing.setTimer(() => this.setStatus(userIdentifier, connection, status), afterMs, { background: true })
    }
    const id = this.#ids.write({ configId: configName, userIdentifier })
    return new PrivateInstance({
      id,
      userIdentifier,
      configName,
      configId: configName,
      url: undefined,
      mcpServerUrl: ENDPOINT,
    })
  }

  #states(userIdentifier: string, withLinks: boolean): readonly ConnectionState[] {
    return this.#options.connections.map((connection) => {
      const status = this.#statuses.get(JSON.stringify([userIdentifier, connection])) ?? 'PENDING_AUTH'
      const isLinked = withLinks && status !== 'ACTIVE'
      return new ConnectionState({
        connectionId: `connection ${connection}`,
        connectionName: connection,
        status,
        authenticationLink: isLinked ? `https://scripted.invalid/connect/${randomUUID()}` : undefined,
      })
    })
  }

  #mint(
    { userIdentifier }: McpInstance,
    tools: readonly string[] | undefined,
    allowPartial: boolean,
    expirySeconds: number | undefined,
  ): SessionToken {
    const states = this.#states(userIdentifier, true)
    const isEnough = allowPartial ? states.some((state) => state.isActive) : states.every((state) => state.isActive)
    if (!isEnough) throw notAllActive(states, userIdentifier)
    const unknown = tools?.find((tool) => !Object.hasOwn(this.#options.tools, tool))
    if (unknown !== undefined) throw new LatchkeyError('rejected', `the config has no tool ${JSON.stringify(unknown)}`)
    const lifeMs = expirySeconds === undefined ? this.#options.sessionTokenMs : expirySeconds * 1_000
    const endsAt = this.#options.timing.now() + lifeMs
    const token = `scripted-${randomUUID()}`
    this.#tokens.set(token, { userIdentifier, tools, endsAt })
    return new PrivateSessionToken(token, new Date(endsAt))
  }

  #toolsOf(userIdentifier: string, names: readonly string[] | undefined): Record<string, ScriptedTool> {
    const allowed = Object.entries(this.#options.tools).filter(([name]) => names?.includes(name) !== false)
    const logged = allowed.map(([name, run]): [string, ScriptedTool] => [
      name,
      (args, context) => {
        this.toolCalls.push(`${userIdentifier} ${name}`)
        return run(args, context)
      },
    ])
    return Object.fromEntries(logged)
  }

  async *#pushed(
    userIdentifier: string,
    { signal, onOpen }: { signal: AbortSignal; onOpen?: () => void },
  ): AsyncGenerator<StatusEvent> {
    const changes = on(this.#events, 'change', { signal })
    onOpen?.()
    try {
      for await (const [change] of changes) {
        const { userIdentifier: whose, connection, status }: ScriptedEvent = change
        if (whose !== userIdentifier) continue
        const connectionId = `connection ${connection}`
        yield { id: undefined, userIdentifier, connectionId, connectionName: connection, status }
      }
    } catch (error) {
      throw signal.aborted ? abortion(signal, 'statusEvents') : error
    }
  }
}

interface ScriptedEvent {
  readonly userIdentifier: string
  readonly connection: string
  readonly status: ConnectedAccountStatus
}
