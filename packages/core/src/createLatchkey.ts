import type { CallToolResult, Tool } from '@modelcontextprotocol/client'
import type { MagicLink, McpInstance, UserRevocation } from './backends/backend.ts'
import { checkUserIdentifier } from './checkUserIdentifier.ts'
import { LatchkeyError } from './errors.ts'
import { createHttpClient, type HttpClient } from './http/httpClient.ts'
import type {
  CallOptions,
  ConfigOptions,
  GetAuthStateOptions,
  Latchkey,
  MagicLinkOptions,
  McpServerConfig,
  ReadyOptions,
  WaitForAuthOptions,
} from './latchkey.ts'
import { resolveOptions, type LatchkeyOptions, type ResolvedOptions } from './latchkeyOptions.ts'
import type { ConnectionState } from './readiness/connectionState.ts'
import { InstanceWatches } from './readiness/instanceWatches.ts'
import { nameOf, type Subject } from './readiness/subject.ts'
import { UserReadiness, type ReadyUser } from './readiness/userReadiness.ts'
import { waitForConnections } from './readiness/waitForConnections.ts'
import type { ToolList } from './session/mcpSession.ts'
import type { ReadyEndpoint } from './session/readyEndpoint.ts'
import type { ResolvedEndpoint } from './session/resolvedEndpoint.ts'
import { SessionPool } from './session/sessionPool.ts'
import { checkMs } from './timing/checkMs.ts'
import { startDeadline, type Deadline } from './timing/deadline.ts'
import { callTool } from './tools/callTool.ts'
import { toUserTools } from './tools/toUserTools.ts'
import type { ToolCallOptions, UserTools } from './tools/userTools.ts'

/**
 * Makes a Latchkey: one for the whole process, shared by all its users. It holds nothing of one user that another can
 * get at.
 *
 * @throws {TypeError} when an option is missing or wrong; the message names it and the two ways to give it.
 * @example
 * await using latchkey = createLatchkey({ config: 'email-agent' })
 * const { tools } = await latchkey.userTools('user_123')
 */
export function createLatchkey(options: LatchkeyOptions = {}): Latchkey {
  return new PooledLatchkey(resolveOptions(options))
}

class PooledLatchkey implements Latchkey {
  readonly #options: ResolvedOptions
  readonly #http: HttpClient
  readonly #pool: SessionPool
  readonly #readiness: UserReadiness
  readonly #watches = new InstanceWatches<undefined>()
  readonly #toolsOfList = new WeakMap<ToolList, UserTools>()
  readonly #closed = new AbortController()
  #closing: Promise<void> | undefined

  constructor(options: ResolvedOptions) {
    this.#options = options
    // A tool call may take longer than undici allows; the MCP client has a timer for each request.
    this.#http = createHttpClient({ fetch: options.fetch, endless: true })
    this.#pool = new SessionPool({ timing: options.timing, idleMs: options.idleMs })
    this.#readiness = new UserReadiness({ ...options, pool: this.#pool, fetch: this.#http.fetch })
  }

  async ensureInstance(userIdentifier: string, options: ConfigOptions = {}): Promise<McpInstance> {
    const subject = this.#subject(userIdentifier, options)
    using deadline = this.#requestDeadline(options.signal, `ensuring the MCP instance of ${nameOf(subject)}`)
    const { instance } = await this.#readiness.ensure(subject, deadline.signal)
    return instance
  }

  async getAuthState(instanceId: string, options: GetAuthStateOptions = {}): Promise<readonly ConnectionState[]> {
    this.#checkOpen()
    const { includeAuthLinks = false } = options
    using deadline = this.#requestDeadline(options.signal, `reading the auth state of instance ${instanceId}`)
    return await this.#options.backend.getAuthState(instanceId, { signal: deadline.signal, includeAuthLinks })
  }

  async waitForAuth(instanceId: string, options: WaitForAuthOptions = {}): Promise<readonly ConnectionState[]> {
    this.#checkOpen()
    const { backend, timing } = this.#options
    const subject = `instance ${instanceId}`
    using deadline = this.#deadline(options, `waiting for the authorization of ${subject}`)
    const read = async (signal: AbortSignal) => ({
      states: await backend.getAuthState(instanceId, { signal }),
      extra: undefined,
    })
    const { states: initial } = await read(deadline.signal)
    if (initial.every((state) => state.isActive)) return initial
    const watch = this.#watches.get(instanceId, { instanceId, backend, read, timing })
    const { onPending } = options
    const { states } = await waitForConnections({ watch, initial, linksShown: true, deadline, subject, onPending })
    return states
  }

  async ready(userIdentifier: string, options: ReadyOptions = {}): Promise<ReadyEndpoint> {
    const { resolved } = await this.#ready(this.#subject(userIdentifier, options), options)
    return resolved.endpoint
  }

  async mcpUrl(userIdentifier: string, options: ConfigOptions = {}): Promise<string> {
    const { url } = await this.ensureInstance(userIdentifier, options)
    if (url !== undefined) return url
    throw new LatchkeyError(
      'rejected',
      `the ${this.#options.backend.name} gives no pre-authenticated URLs; use ready()`,
    )
  }

  async mcpServerConfig(userIdentifier: string, options: ReadyOptions = {}): Promise<McpServerConfig> {
    const endpoint = await this.ready(userIdentifier, options)
    return { url: endpoint.url, headers: await endpoint.headers() }
  }

  async userTools(userIdentifier: string, options: ReadyOptions = {}): Promise<UserTools> {
    const subject = this.#subject(userIdentifier, options)
    const { resolved, list } = await this.#ready(subject, options)
    const kept = this.#toolsOfList.get(list)
    if (kept) return kept
    const tools = toUserTools(list, (tool, args, callOptions) => this.#call(subject, resolved, tool, args, callOptions))
    this.#toolsOfList.set(list, tools)
    return tools
  }

  async createMagicLink(
    userIdentifier: string,
    connectionName: string,
    { signal, ...options }: MagicLinkOptions = {},
  ): Promise<MagicLink> {
    this.#checkOpen()
    checkUserIdentifier(userIdentifier)
    const { backend } = this.#options
    if (!backend.createMagicLink) throw noUserVerification(backend.name)
    using deadline = this.#requestDeadline(signal, `making a link for user ${JSON.stringify(userIdentifier)}`)
    return await backend.createMagicLink({ userIdentifier, connectionName, ...options }, { signal: deadline.signal })
  }

  async verifyUser(userIdentifier: string, authRequestId: string, { signal }: CallOptions = {}): Promise<void> {
    this.#checkOpen()
    checkUserIdentifier(userIdentifier)
    const { backend } = this.#options
    if (!backend.verifyUser) throw noUserVerification(backend.name)
    using deadline = this.#requestDeadline(signal, `verifying user ${JSON.stringify(userIdentifier)}`)
    await backend.verifyUser({ userIdentifier, authRequestId }, { signal: deadline.signal })
  }

  async revokeUser(userIdentifier: string, { signal }: CallOptions = {}): Promise<UserRevocation> {
    this.#checkOpen()
    checkUserIdentifier(userIdentifier)
    const { backend } = this.#options
    if (!backend.revokeUser) {
      throw new LatchkeyError('rejected', `the ${backend.name} cannot revoke a user in one call`)
    }
    using deadline = this.#requestDeadline(signal, `revoking user ${JSON.stringify(userIdentifier)}`)
    try {
      return await backend.revokeUser({ userIdentifier }, { signal: deadline.signal })
    } finally {
      // Also where nobody knows whether it was done: what is good still is asked for again.
      this.#readiness.forgetUser(userIdentifier)
      this.#pool.dropUser(userIdentifier)
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#closed.abort()
    await this.#pool.close()
    await Promise.all([this.#http.close(), this.#options.backend.close()])
  }

  async #ready(subject: Subject, options: ReadyOptions): Promise<ReadyUser> {
    using deadline = this.#deadline(options, `getting ${nameOf(subject)} ready`)
    deadline.signal.throwIfAborted()
    return (
      this.#readiness.known(subject) ??
      (await this.#readiness.ready(subject, options.onAuthorizationRequired, deadline))
    )
  }

  async #call(
    { userIdentifier }: Subject,
    { instance, key, sessionOptions }: ResolvedEndpoint,
    tool: Tool,
    args: Readonly<Record<string, unknown>>,
    { signal, timeoutMs }: ToolCallOptions = {},
  ): Promise<CallToolResult> {
    this.#checkOpen()
    if (timeoutMs !== undefined) checkMs('timeoutMs', timeoutMs)
    const calling = callTool({
      userIdentifier,
      mcpName: tool.name,
      signal,
      send: () => this.#pool.use(key, sessionOptions, (session) => session.callTool(tool, args, { signal, timeoutMs })),
      pendingConnections: () => this.#readiness.pendingWithLinks(instance.id, signal),
      forget: () => this.#pool.peek(key)?.forgetTools(),
    })
    const { startLinks } = this.#options
    return startLinks ? calling.catch((error: unknown) => Promise.reject(startLinks.ofError(error))) : calling
  }

  #deadline({ timeoutMs, signal }: Pick<ReadyOptions, 'timeoutMs' | 'signal'>, what: string): Deadline {
    const { timing, timeoutMs: byDefault } = this.#options
    if (timeoutMs !== undefined) checkMs('timeoutMs', timeoutMs)
    return startDeadline({ timeoutMs: timeoutMs ?? byDefault, signal, closed: this.#closed.signal, timing, what })
  }

  #requestDeadline(signal: AbortSignal | undefined, what: string): Deadline {
    return this.#deadline({ timeoutMs: this.#options.requestTimeoutMs, signal }, what)
  }

  #subject(userIdentifier: string, options: ConfigOptions): Subject {
    this.#checkOpen()
    checkUserIdentifier(userIdentifier)
    const configName = options.config ?? this.#options.config
    if (configName) return { userIdentifier, configName }
    throw new TypeError(
      'Latchkey needs the name of an MCP config: pass `config` to the call or to createLatchkey, or set LATCHKEY_CONFIG',
    )
  }

  #checkOpen(): void {
    if (this.#closing) throw new TypeError('this Latchkey is closed')
  }
}

function noUserVerification(backend: string): LatchkeyError {
  return new LatchkeyError('rejected', `the ${backend} has no user verification`)
}
