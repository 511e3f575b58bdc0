import { LRUCache } from 'lru-cache'
import type { Backend, EnsuredInstance, McpInstance } from '../backends/backend.ts'
import { isAuthorizationRequired, LatchkeyError } from '../errors.ts'
import type { Fetch } from '../http/httpClient.ts'
import type { ReadyOptions } from '../latchkey.ts'
import type { ToolList } from '../session/mcpSession.ts'
import { resolveEndpoint, type ResolvedEndpoint } from '../session/resolvedEndpoint.ts'
import type { SessionPool } from '../session/sessionPool.ts'
import { httpStatus } from '../session/translateMcpError.ts'
import type { Deadline } from '../timing/deadline.ts'
import { SingleFlight } from '../timing/singleFlight.ts'
import type { Timing } from '../timing/timing.ts'
import type { Consent } from '../tools/callAfterConsent.ts'
import { unavailableIn } from '../tools/toToolReport.ts'
import type { ConnectionState } from './connectionState.ts'
import { ConsentWaits } from './consentWaits.ts'
import { GrantWaits, type GrantWait } from './grantWaits.ts'
import type { InstanceWatch } from './instanceWatch.ts'
import { InstanceWatches } from './instanceWatches.ts'
import { MissingLinks } from './missingLinks.ts'
import { probe } from './probe.ts'
import { blocking, isSatisfied, unknownNames, type Requirement } from './requirement.ts'
import { showLinks } from './showLinks.ts'
import { nameOf, scopeOf, type Subject } from './subject.ts'
import { unserved } from './unserved.ts'
import { listed, waitForConnections } from './waitForConnections.ts'

/** Users whose endpoint is remembered. */
const MAX_KNOWN_USERS = 10_000

export interface ReadyUser {
  readonly resolved: ResolvedEndpoint
  readonly list: ToolList
  /** The connections that are not ACTIVE and were not required, with their links. */
  readonly missing: readonly ConnectionState[]
}

/** What is asked of a user's readiness, and who is told of it. */
export interface ReadyRequest {
  readonly require: Requirement
  readonly onAuthorizationRequired?: ReadyOptions['onAuthorizationRequired']
  readonly onPending?: ReadyOptions['onPending']
  /** Whether the user has the links already, so that it is right to wait without showing any. Default false. */
  readonly linksShown?: boolean | undefined
}

export interface UserReadinessOptions {
  readonly backend: Backend
  readonly pool: SessionPool
  readonly fetch: Fetch
  readonly timing: Timing
  readonly requestTimeoutMs: number
  readonly graceMs: number
}

/** A wait of a call that was refused. */
type CallWait = Omit<GrantWait, 'key' | 'subject'>

interface Known {
  readonly resolved: ResolvedEndpoint
  readonly connectionNames: readonly string[]
  /** The connections that were ACTIVE. */
  readonly active: string
  readonly isComplete: boolean
}

/** What is known when enough is ACTIVE. */
interface Authorized {
  readonly ensured: EnsuredInstance
  readonly states: readonly ConnectionState[]
  /** Those that became ACTIVE while we waited: they may not work yet. */
  readonly fresh: readonly string[]
}

/**
 * The steps from a user identifier to an endpoint that lists tools. Callers who ask for the same user at the same time
 * share the requests, and each keeps its own signal and deadline.
 */
export class UserReadiness {
  readonly #options: UserReadinessOptions
  readonly #known = new LRUCache<string, Known>({ max: MAX_KNOWN_USERS })
  readonly #ensuring = new SingleFlight<EnsuredInstance>()
  readonly #linking = new SingleFlight<readonly ConnectionState[]>()
  readonly #watches = new InstanceWatches<EnsuredInstance | undefined>()
  readonly #missingLinks: MissingLinks
  #timesForgotten = 0
  readonly #consents: ConsentWaits
  readonly #grants: GrantWaits

  constructor(options: UserReadinessOptions) {
    this.#options = options
    this.#missingLinks = new MissingLinks(options.timing)
    this.#consents = new ConsentWaits(options)
    this.#grants = new GrantWaits(options)
  }

  /**
   * What is known of the user, if the endpoint's list of tools says that it still holds. Makes no request. While a
   * connection is missing nothing is known: it may be ACTIVE by now.
   */
  known(subject: Subject): ReadyUser | undefined {
    const known = this.#known.get(this.#scopedKey(subject))
    const list = known?.isComplete && this.#options.pool.peek(known.resolved.key)?.freshTools
    return known && list ? { resolved: known.resolved, list, missing: [] } : undefined
  }

  /** The connections of the user's config, as far as they are known. */
  connectionNames(subject: Subject): readonly string[] {
    return this.#known.peek(this.#scopedKey(subject))?.connectionNames ?? []
  }

  /**
   * A grant that was believed good may turn out to be none as the tools are listed: the upstream refuses the credential
   * (the gateway then says so in the list), or the endpoint the user. The user is asked after all then. Once: what still
   * lacks consent after that is in the report.
   */
  async ready(subject: Subject, request: ReadyRequest, deadline: Deadline): Promise<ReadyUser> {
    const user = await this.#readyAsBelieved(subject, request, deadline)
    if (!(user instanceof LatchkeyError) && !lacksConsent(user.list)) return user
    const known = this.#known.peek(this.#scopedKey(subject))
    if (known) this.#options.pool.peek(known.resolved.key)?.forgetTools()
    const again = await this.#readyAsBelieved(subject, request, deadline)
    if (again instanceof LatchkeyError) throw again
    return again
  }

  /** @returns the refusal, if the endpoint refuses the user although everything that is required was ACTIVE. */
  async #readyAsBelieved(
    subject: Subject,
    request: ReadyRequest,
    deadline: Deadline,
  ): Promise<ReadyUser | LatchkeyError> {
    const { signal } = deadline
    const { ensured, states } = await this.#believed(subject, signal)
    refuseUnknownNames(subject, states, request.require)
    const authorized = isSatisfied(states, request.require)
      ? { ensured, states, fresh: [] }
      : await this.#authorize(subject, ensured, request, deadline)
    const resolved = this.#remember(subject, authorized)
    try {
      // A tool that there cannot be is refused here, and not taken for an endpoint that is slow to start.
      if (subject.tools) await resolved.credential.headers(signal)
      const list = await this.#probe(subject, resolved, authorized, request.require, deadline)
      return { resolved, list, missing: await this.#missing(authorized, request, signal) }
    } catch (error) {
      if (isAuthorizationRequired(error)) return error
      throw error
    }
  }

  /** What is pending of a requirement, with links; empty if nothing is. Waits for nothing. */
  async pending(subject: Subject, require: Requirement, signal: AbortSignal) {
    const { ensured, states } = await this.#believed(subject, signal)
    refuseUnknownNames(subject, states, require)
    if (isSatisfied(states, require)) return []
    return blocking(await this.#links(ensured.instance.id, signal), require)
  }

  /** Waits until the user has authorized these connections, after a call was refused for want of them. */
  consent(subject: Subject, wait: CallWait): Promise<Consent> {
    const { instance } = wait.resolved
    return this.#consents.wait({
      ...this.#named(subject),
      ...wait,
      watch: () => this.#watch(subject, { instance }),
      renew: (signal) => this.pendingWithLinks(instance.id, signal),
    })
  }

  /** Yields whenever a call is worth making again that was refused though its connections are ACTIVE. */
  grantChances(subject: Subject, wait: CallWait): AsyncGenerator<void> {
    return this.#grants.chances({ ...this.#named(subject), ...wait })
  }

  /** What is known of the user's endpoints is not so any more, and the links that were made work no more. */
  forgetUser(userIdentifier: string): void {
    this.#timesForgotten += 1
    for (const [key, { resolved }] of this.#known.entries()) {
      if (resolved.instance.userIdentifier !== userIdentifier) continue
      this.#known.delete(key)
      this.#missingLinks.forget(resolved.instance.id)
    }
  }

  ensure({ userIdentifier, configName }: Subject, signal: AbortSignal): Promise<EnsuredInstance> {
    const subject = { userIdentifier, configName }
    return this.#ensuring.run(this.#userKey(subject), signal, (shared) => this.#ensure(subject, shared))
  }

  /** An answer about somebody else is not used: its URL and its tokens would give this user another one's tools. */
  async #ensure({ userIdentifier, configName }: Subject, signal: AbortSignal): Promise<EnsuredInstance> {
    const ensured = await this.#options.backend.ensureInstance({ userIdentifier, configName }, { signal })
    if (ensured.instance.userIdentifier === userIdentifier) return ensured
    const user = nameOf({ userIdentifier, configName })
    throw new LatchkeyError('invalid_response', `the control plane answered for another user than ${user}`)
  }

  async #believed(subject: Subject, signal: AbortSignal) {
    const ensured = await this.ensure(subject, signal)
    const states = ensured.authState ?? (await this.#options.backend.getAuthState(ensured.instance.id, { signal }))
    return { ensured, states }
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
    request: ReadyRequest,
    deadline: Deadline,
  ): Promise<Authorized> {
    const { signal } = deadline
    const { instance } = ensured
    const { require, onAuthorizationRequired: show, onPending, linksShown = false } = request
    const { backend, timing } = this.#options
    const initial =
      linksShown && !show ? await backend.getAuthState(instance.id, { signal }) : await this.#links(instance.id, signal)
    const pending = blocking(initial, require)
    if (!isSatisfied(initial, require) && !show && !linksShown) throw authorizationRequired(subject, pending)
    const renew = (waiting: AbortSignal) => this.pendingWithLinks(instance.id, waiting)
    const reading = isSatisfied(initial, require)
      ? undefined
      : await waitForConnections({
          watch: this.#watch(subject, ensured),
          initial,
          linksShown: true,
          deadline,
          subject: nameOf(subject),
          require,
          onPending,
          meanwhile: show && ((waiting) => showLinks({ pending, show, renew, timing, signal: waiting })),
        })
    const fresh = pending.map(({ connectionName }) => connectionName)
    const again = reading?.extra ?? (await this.ensure(subject, signal))
    return { ensured: again, states: again.authState ?? reading?.states ?? initial, fresh }
  }

  #links(instanceId: string, signal: AbortSignal | undefined): Promise<readonly ConnectionState[]> {
    // Those that were being made as a user was forgotten are for those alone who waited for them.
    return this.#linking.run(JSON.stringify([this.#timesForgotten, instanceId]), signal, (shared) =>
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
  #remember(subject: Subject, { ensured, states }: Authorized): ResolvedEndpoint {
    const { backend, fetch, timing, requestTimeoutMs, pool } = this.#options
    const key = this.#scopedKey(subject)
    const known = this.#known.get(key)
    const isSame = known !== undefined && isSameInstance(known.resolved.instance, ensured.instance)
    if (known && !isSame) pool.drop(known.resolved.key)
    const resolved = isSame
      ? known.resolved
      : resolveEndpoint(backend, ensured, subject, { fetch, timing, requestTimeoutMs })
    const active = JSON.stringify(states.flatMap((state) => (state.isActive ? [state.connectionId] : [])).toSorted())
    if (isSame && subject.partial && known.active !== active) {
      // The token was made for those that were ACTIVE then, and does not grow.
      resolved.credential.forget()
      pool.peek(resolved.key)?.forgetTools()
    }
    if (isSame && ensured.sessionToken && !subject.tools) resolved.credential.offer(ensured.sessionToken)
    const connectionNames = states.map(({ connectionName }) => connectionName)
    this.#known.set(key, { resolved, connectionNames, active, isComplete: states.every((state) => state.isActive) })
    return resolved
  }

  #probe(
    subject: Subject,
    { instance, key, sessionOptions }: ResolvedEndpoint,
    { states, fresh }: Authorized,
    require: Requirement,
    deadline: Deadline,
  ): Promise<ToolList> {
    const { pool, timing, graceMs } = this.#options
    const list = () => pool.use(key, sessionOptions, (session) => session.listTools(deadline.signal))
    return probe({
      list: () => list().catch((error: unknown) => this.#whyRefused(subject, instance.id, require, deadline, error)),
      judge: (answer) => unserved(unavailableIn(answer.meta), { states, fresh, require }),
      forget: () => pool.peek(key)?.forgetTools(),
      deadline,
      graceMs,
      timing,
      subject: nameOf(subject),
    })
  }

  /** An endpoint that refuses a user whose account is only just ACTIVE gets its grace; any other user is asked. */
  async #whyRefused(
    subject: Subject,
    instanceId: string,
    require: Requirement,
    { signal }: Deadline,
    error: unknown,
  ): Promise<never> {
    if (httpStatus(error) !== 401) throw error
    const states = await this.#options.backend.getAuthState(instanceId, { signal }).catch(() => [])
    throw isSatisfied(states, require) ? error : authorizationRequired(subject, blocking(states, require))
  }

  /** What was not required and is not ACTIVE, with links; who wants to be told is told. */
  async #missing({ ensured, states }: Authorized, request: ReadyRequest, signal: AbortSignal) {
    const missing = states.filter((state) => !state.isActive)
    const { id } = ensured.instance
    if (missing.length === 0) {
      this.#missingLinks.forget(id)
      return []
    }
    const linked = await this.#missingLinks.of(id, missing, () => this.pendingWithLinks(id, signal))
    if (request.onAuthorizationRequired) this.#missingLinks.show(request.onAuthorizationRequired, id, linked)
    return linked
  }

  #named(subject: Subject): Pick<GrantWait, 'key' | 'subject'> {
    return { key: this.#scopedKey(subject), subject: nameOf(subject) }
  }

  #userKey({ userIdentifier, configName }: Subject): string {
    return JSON.stringify([this.#options.backend.identity, userIdentifier, configName])
  }

  #scopedKey(subject: Subject): string {
    return JSON.stringify([this.#userKey(subject), scopeOf(subject)])
  }
}

function refuseUnknownNames(subject: Subject, states: readonly ConnectionState[], require: Requirement): void {
  const unknown = unknownNames(states, require)
  if (unknown.length === 0) return
  const known = states.map(({ connectionName }) => connectionName).join(', ') || 'it has none'
  throw new LatchkeyError(
    'rejected',
    `\`require\` names ${unknown.join(', ')}, which the config ${JSON.stringify(subject.configName)} does not have; known: ${known}`,
  )
}

function lacksConsent({ meta }: ToolList): boolean {
  return unavailableIn(meta).some(({ reason }) => reason === 'authorization_required')
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
