import type { CallToolResult, Tool } from '@modelcontextprotocol/client'
import type { MagicLink, McpInstance, UserRevocation } from './backends/backend.ts'
import { mcpServerForm, type McpClient, type McpServerForms } from './clients/mcpServerForms.ts'
import { checkUserIdentifier } from './checkUserIdentifier.ts'
import { LatchkeyError } from './errors.ts'
import { createHttpClient, type HttpClient } from './http/httpClient.ts'
import type {
  CallOptions,
  ConfigOptions,
  GetAuthStateOptions,
  Latchkey,
  MagicLinkOptions,
  McpServerOptions,
  PendingOptions,
  PendingUser,
  ReadyManyOptions,
  ReadyManyReport,
  ReadyOptions,
  ResumeOptions,
  WaitForAuthOptions,
} from './latchkey.ts'
import { resolveOptions, type LatchkeyOptions, type ResolvedOptions } from './latchkeyOptions.ts'
import { readPendingHandle, writePendingHandle } from './pending/pendingHandle.ts'
import type { ConnectionState } from './readiness/connectionState.ts'
import { InstanceWatches } from './readiness/instanceWatches.ts'
import { readyMany } from './readiness/readyMany.ts'
import { checkRequirement, isSatisfied } from './readiness/requirement.ts'
import { nameOf, type Subject } from './readiness/subject.ts'
import { UserReadiness, type ReadyRequest, type ReadyUser } from './readiness/userReadiness.ts'
import { waitForConnections } from './readiness/waitForConnections.ts'
import type { ToolList } from './session/mcpSession.ts'
import { createCredentialFetch } from './session/credentialFetch.ts'
import type { ReadyEndpoint } from './session/readyEndpoint.ts'
import type { ResolvedEndpoint } from './session/resolvedEndpoint.ts'
import { SessionPool } from './session/sessionPool.ts'
import { checkMs } from './timing/checkMs.ts'
import { startDeadline, type Deadline } from './timing/deadline.ts'
import { callAfterConsent } from './tools/callAfterConsent.ts'
import { callTool } from './tools/callTool.ts'
import { checkTools, hasPattern, matchTools } from './tools/matchTools.ts'
import { unavailableIn } from './tools/toToolReport.ts'
import { toUserTools } from './tools/toUserTools.ts'
import type { ToolCallOptions, UserTools } from './tools/userTools.ts'

const DEFAULT_CALL_TIMEOUT_MS = 60_000

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
    const { require = 'all' } = options
    checkRequirement(require)
    const subject = `instance ${instanceId}`
    using deadline = this.#deadline(options, `waiting for the authorization of ${subject}`)
    const read = async (signal: AbortSignal) => ({
      states: await backend.getAuthState(instanceId, { signal }),
      extra: undefined,
    })
    const { states: initial } = await read(deadline.signal)
    if (isSatisfied(initial, require)) return initial
    const watch = this.#watches.get(instanceId, { instanceId, backend, read, timing })
    const { onPending } = options
    const wait = { watch, initial, linksShown: true, deadline, subject, onPending, require }
    return (await waitForConnections(wait)).states
  }

  async ready(userIdentifier: string, options: ReadyOptions = {}): Promise<ReadyEndpoint> {
    return toEndpoint(await this.#ready(userIdentifier, options))
  }

  async pending(userIdentifier: string, options: PendingOptions = {}): Promise<PendingUser | undefined> {
    const { require = 'all', signal } = options
    checkRequirement(require)
    const subject = this.#subject(userIdentifier, options)
    // Before anything is asked, because without handles there is nothing to give.
    const handle = writePendingHandle(this.#options.backend, { ...subject, require })
    using deadline = this.#requestDeadline(signal, `seeing what is pending for ${nameOf(subject)}`)
    const connections = await this.#readiness.pending(subject, require, deadline.signal)
    return connections.length > 0 ? Object.freeze({ handle, connections }) : undefined
  }

  async resume(handle: string, { userIdentifier, ...options }: ResumeOptions = {}): Promise<ReadyEndpoint> {
    this.#checkOpen()
    const wait = readPendingHandle(this.#options.backend, handle)
    if (userIdentifier !== undefined && userIdentifier !== wait.userIdentifier)
      throw new LatchkeyError('rejected', `this pending handle is not one of user ${JSON.stringify(userIdentifier)}`)
    const { configName: config, require } = wait
    return toEndpoint(await this.#ready(wait.userIdentifier, { ...options, config, require }, { linksShown: true }))
  }

  async readyMany(userIdentifiers: Iterable<string>, options: ReadyManyOptions = {}): Promise<ReadyManyReport> {
    const { concurrency = 8, ...readyOptions } = options
    if (!Number.isInteger(concurrency) || concurrency < 1)
      throw new TypeError('`concurrency` must be a whole number, 1 or more')
    return await readyMany(userIdentifiers, concurrency, (user) => this.ready(user, readyOptions))
  }

  async mcpUrl(userIdentifier: string, options: ConfigOptions = {}): Promise<string> {
    const { url, headers } = await this.ensureInstance(userIdentifier, options)
    if (url !== undefined && !headers) return url
    throw new LatchkeyError(
      'rejected',
      `the ${this.#options.backend.name} gives no pre-authenticated URLs; use ready()`,
    )
  }

  async mcpServer<Client extends McpClient>(
    userIdentifier: string,
    client: Client,
    options: McpServerOptions<Client> = {},
  ): Promise<McpServerForms[Client]> {
    const { name = this.#subject(userIdentifier, options).configName } = options
    return await mcpServerForm(client, {
      name,
      secretUrl: () => this.mcpUrl(userIdentifier, options),
      withToken: async () => {
        const { credential } = (await this.#ready(userIdentifier, options)).resolved
        const { url } = credential
        return { url, headers: await credential.headers(), fetch: createCredentialFetch(this.#http.fetch, credential) }
      },
    })
  }

  async userTools(userIdentifier: string, options: ReadyOptions = {}): Promise<UserTools> {
    const { subject, resolved, list, missing } = await this.#ready(userIdentifier, options)
    const kept = this.#toolsOfList.get(list)
    const tools =
      kept ?? toUserTools(list, (tool, args, callOptions) => this.#call(subject, resolved, tool, args, callOptions))
    this.#toolsOfList.set(list, tools)
    return missing.length > 0 ? Object.freeze({ ...tools, missing }) : tools
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

  async #ready(
    userIdentifier: string,
    options: ReadyOptions,
    { linksShown }: Pick<ReadyRequest, 'linksShown'> = {},
  ): Promise<ReadyUser & { subject: Subject }> {
    const { require = 'all', tools, onAuthorizationRequired, onPending } = options
    checkRequirement(require)
    checkTools(tools)
    const whole = { ...this.#subject(userIdentifier, options), partial: require !== 'all' }
    using deadline = this.#deadline(options, `getting ${nameOf(whole)} ready`)
    deadline.signal.throwIfAborted()
    const request = { require, onAuthorizationRequired, onPending, linksShown }
    const get = async (subject: Subject) => ({
      subject,
      ...(this.#readiness.known(subject) ?? (await this.#readiness.ready(subject, request, deadline))),
    })
    if (!tools) return await get(whole)
    const known = hasPattern(tools) ? (await get(whole)).list.tools.map(({ name }) => name) : []
    return await get({ ...whole, tools: matchTools(tools, known) })
  }

  /** Calls, and calls again after the consent that it was refused for, where that is asked for. */
  async #call(
    subject: Subject,
    resolved: ResolvedEndpoint,
    tool: Tool,
    args: Readonly<Record<string, unknown>>,
    options: ToolCallOptions = {},
  ): Promise<CallToolResult> {
    const { onAuthorizationRequired, authorizationTimeoutMs, signal } = options
    if (authorizationTimeoutMs !== undefined) checkMs('authorizationTimeoutMs', authorizationTimeoutMs)
    const once = () => this.#callOnce(subject, resolved, tool, args, options)
    if (!onAuthorizationRequired) return await once()
    const what = `waiting to call tool ${JSON.stringify(tool.name)} for ${nameOf(subject)}`
    const readiness = this.#readiness
    const start = () => this.#deadline({ timeoutMs: authorizationTimeoutMs, signal }, what)
    const wait = { resolved, show: onAuthorizationRequired }
    return await callAfterConsent(once, {
      async consent(required) {
        using deadline = start()
        return await readiness.consent(subject, { ...wait, required, deadline })
      },
      async *grantChances(required) {
        using deadline = start()
        yield* readiness.grantChances(subject, { ...wait, required, deadline })
      },
    })
  }

  async #callOnce(
    subject: Subject,
    { instance, key, sessionOptions }: ResolvedEndpoint,
    tool: Tool,
    args: Readonly<Record<string, unknown>>,
    { signal, timeoutMs = DEFAULT_CALL_TIMEOUT_MS }: ToolCallOptions,
  ): Promise<CallToolResult> {
    this.#checkOpen()
    const { userIdentifier } = subject
    const what = `calling tool ${JSON.stringify(tool.name)} for user ${JSON.stringify(userIdentifier)}`
    using deadline = this.#deadline({ timeoutMs, signal }, what)
    const sending = { signal: deadline.signal, timeoutMs }
    const calling = callTool({
      userIdentifier,
      mcpName: tool.name,
      connectionNames: this.#readiness.connectionNames(subject),
      signal: deadline.signal,
      send: () => this.#pool.use(key, sessionOptions, (session) => session.callTool(tool, args, sending)),
      pendingConnections: () => this.#readiness.pendingWithLinks(instance.id, deadline.signal),
      forget: () => this.#pool.peek(key)?.forgetTools(),
    })
    const { startLinks } = this.#options
    return await (startLinks ? calling.catch((error: unknown) => Promise.reject(startLinks.ofError(error))) : calling)
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

function toEndpoint({ resolved, list, missing }: ReadyUser): ReadyEndpoint {
  return resolved.endpoint({ missing, unavailable: unavailableIn(list.meta) })
}

function noUserVerification(backend: string): LatchkeyError {
  return new LatchkeyError('rejected', `the ${backend} has no user verification`)
}
