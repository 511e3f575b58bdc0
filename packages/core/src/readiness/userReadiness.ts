import { LRUCache } from 'lru-cache'
import type { Backend, EnsuredInstance, McpInstance } from '../backends/backend.ts'
import { LatchkeyError } from '../errors.ts'
import type { Fetch } from '../http/httpClient.ts'
import type { ReadyOptions } from '../latchkey.ts'
import type { ToolList } from '../session/mcpSession.ts'
import { resolveEndpoint, type ResolvedEndpoint } from '../session/resolvedEndpoint.ts'
import type { SessionPool } from '../session/sessionPool.ts'
import type { Deadline } from '../timing/deadline.ts'
import { SingleFlight } from '../timing/singleFlight.ts'
import type { Timing } from '../timing/timing.ts'
import { toToolReport } from '../tools/toToolReport.ts'
import type { ConnectionState } from './connectionState.ts'
import type { InstanceWatch } from './instanceWatch.ts'
import { InstanceWatches } from './instanceWatches.ts'
import { probe } from './probe.ts'
import { nameOf, type Subject } from './subject.ts'
import { listed, waitForConnections } from './waitForConnections.ts'

/** Users whose endpoint is remembered. */
const MAX_KNOWN_USERS = 10_000

export interface ReadyUser {
  readonly resolved: ResolvedEndpoint
  readonly list: ToolList
}

export interface UserReadinessOptions {
  readonly backend: Backend
  readonly pool: SessionPool
  readonly fetch: Fetch
  readonly timing: Timing
  readonly requestTimeoutMs: number
  readonly graceMs: number
}

/**
 * The steps from a user identifier to an endpoint that lists tools. Callers who ask for the same user at the same time
 * share the requests, and each keeps its own signal and deadline.
 */
export class UserReadiness {
  readonly #options: UserReadinessOptions
  readonly #known = new LRUCache<string, ResolvedEndpoint>({ max: MAX_KNOWN_USERS })
  readonly #ensuring = new SingleFlight<EnsuredInstance>()
  readonly #linking = new SingleFlight<readonly ConnectionState[]>()
  readonly #watches = new InstanceWatches<EnsuredInstance | undefined>()

  constructor(options: UserReadinessOptions) {
    this.#options = options
  }

  /** What is known of the user, if the endpoint's list of tools says that it still holds. Makes no request. */
  known(subject: Subject): ReadyUser | undefined {
    const resolved = this.#known.get(this.#userKey(subject))
    const list = resolved && this.#options.pool.peek(resolved.key)?.freshTools
    return resolved && list && { resolved, list }
  }

  /**
   * An upstream may refuse a credential that was believed good until its tools were listed; the gateway then says so in
   * the list, and the user is asked after all. Once: what still lacks consent then is in the report.
   */
  async ready(
    subject: Subject,
    onAuthorizationRequired: ReadyOptions['onAuthorizationRequired'],
    deadline: Deadline,
  ): Promise<ReadyUser> {
    const user = await this.#readyAsBelieved(subject, onAuthorizationRequired, deadline)
    if (!lacksConsent(user.list)) return user
    this.#options.pool.peek(user.resolved.key)?.forgetTools()
    return this.#readyAsBelieved(subject, onAuthorizationRequired, deadline)
  }

  async #readyAsBelieved(
    subject: Subject,
    onAuthorizationRequired: ReadyOptions['onAuthorizationRequired'],
    deadline: Deadline,
  ): Promise<ReadyUser> {
    const { signal } = deadline
    const ensured = await this.ensure(subject, signal)
    const states = ensured.authState ?? (await this.#options.backend.getAuthState(ensured.instance.id, { signal }))
    const authorized = states.every((state) => state.isActive)
      ? ensured
      : await this.#authorize(subject, ensured, onAuthorizationRequired, deadline)
    const resolved = this.#remember(subject, authorized)
    return { resolved, list: await this.#probe(subject, resolved, deadline) }
  }

  /** What is known of the user's endpoints is not so any more. */
  forgetUser(userIdentifier: string): void {
    for (const [userKey, { instance }] of this.#known.entries()) {
      if (instance.userIdentifier === userIdentifier) this.#known.delete(userKey)
    }
  }

  ensure(subject: Subject, signal: AbortSignal): Promise<EnsuredInstance> {
    return this.#ensuring.run(this.#userKey(subject), signal, (shared) => this.#ensure(subject, shared))
  }

  /** An answer about somebody else is not used: its URL and its tokens would give this user another one's tools. */
  async #ensure(subject: Subject, signal: AbortSignal): Promise<EnsuredInstance> {
    const ensured = await this.#options.backend.ensureInstance(subject, { signal })
    if (ensured.instance.userIdentifier === subject.userIdentifier) return ensured
    throw new LatchkeyError('invalid_response', `the control plane answered for another user than ${nameOf(subject)}`)
  }

  /** The connections that are not ACTIVE, with links: minted once for all who ask at the same time. */
  async pendingWithLinks(instanceId: string, signal: AbortSignal | undefined): Promise<readonly ConnectionState[]> {
    const states = await this.#links(instanceId, signal)
    return states.filter((state) => !state.isActive)
  }

  /** Has the user authorize what is pending, and waits for it. */
  async #authorize(
    subject: Subject,
    ensured: EnsuredInstance,
    onAuthorizationRequired: ReadyOptions['onAuthorizationRequired'],
    deadline: Deadline,
  ): Promise<EnsuredInstance> {
    const initial = await this.#links(ensured.instance.id, deadline.signal)
    const pending = initial.filter((state) => !state.isActive)
    if (pending.length === 0) return this.ensure(subject, deadline.signal)
    if (!onAuthorizationRequired) throw authorizationRequired(subject, pending)
    const { extra } = await waitForConnections({
      watch: this.#watch(subject, ensured),
      initial,
      linksShown: true,
      deadline,
      subject: nameOf(subject),
      meanwhile: () => onAuthorizationRequired(pending),
    })
    return extra ?? this.ensure(subject, deadline.signal)
  }

  #links(instanceId: string, signal: AbortSignal | undefined): Promise<readonly ConnectionState[]> {
    return this.#linking.run(instanceId, signal, (shared) =>
      this.#options.backend.getAuthState(instanceId, { signal: shared, includeAuthLinks: true }),
    )
  }

  /** Where ensuring answers the auth state, that is what is asked again: the last answer then has the session token. */
  #watch(subject: Subject, { instance, authState }: EnsuredInstance): InstanceWatch<EnsuredInstance | undefined> {
    const { backend, timing } = this.#options
    const read = async (signal: AbortSignal) => {
      const extra = authState && (await this.#ensure(subject, signal))
      return { states: extra?.authState ?? (await backend.getAuthState(instance.id, { signal })), extra }
    }
    return this.#watches.get(this.#userKey(subject), { instanceId: instance.id, backend, read, timing })
  }

  /** Keeps what is known of this user's endpoint, and with it its session, unless it is another one now. */
  #remember(subject: Subject, ensured: EnsuredInstance): ResolvedEndpoint {
    const { backend, fetch, timing, requestTimeoutMs, pool } = this.#options
    const userKey = this.#userKey(subject)
    const known = this.#known.get(userKey)
    if (known && isSameInstance(known.instance, ensured.instance)) {
      if (ensured.sessionToken) known.credential.offer(ensured.sessionToken)
      return known
    }
    if (known) pool.drop(known.key)
    const resolved = resolveEndpoint(backend, ensured, subject, { fetch, timing, requestTimeoutMs })
    this.#known.set(userKey, resolved)
    return resolved
  }

  #probe(subject: Subject, { key, sessionOptions }: ResolvedEndpoint, deadline: Deadline): Promise<ToolList> {
    const { pool, timing, graceMs } = this.#options
    const list = () => pool.use(key, sessionOptions, (session) => session.listTools(deadline.signal))
    return probe({ list, deadline, graceMs, timing, subject: nameOf(subject) })
  }

  #userKey({ userIdentifier, configName }: Subject): string {
    return JSON.stringify([this.#options.backend.identity, userIdentifier, configName])
  }
}

function lacksConsent({ meta }: ToolList): boolean {
  const { unavailable } = toToolReport([], new Map(), meta)
  return unavailable.some(({ reason }) => reason === 'authorization_required')
}

function isSameInstance(a: McpInstance, b: McpInstance): boolean {
  return a.id === b.id && a.url === b.url && a.mcpServerUrl === b.mcpServerUrl
}

function authorizationRequired(subject: Subject, connections: readonly ConnectionState[]): LatchkeyError {
  return new LatchkeyError(
    'authorization_required',
    `${nameOf(subject)} has to authorize ${listed(connections)}: show the links in \`connections\`, or pass onAuthorizationRequired to wait`,
    { connections },
  )
}
