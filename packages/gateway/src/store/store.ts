/**
 * The contract of the gateway's state. Two rules hold for every implementation:
 *
 * - what is kept about a user is written under that user: every statement that changes a user's row names the user;
 * - no secret lies open: tokens and states come in as SHA-256 digests, credentials and attempts sealed by the vault.
 *
 * Times are `Date`s that the caller gives (there is one clock, and it is not the database's).
 */
import type {
  AccountEvent,
  AccountStatus,
  AuditRecord,
  AuditRow,
  Change,
  ChangeKind,
  ConnectedAccount,
  ConnectionToolMapping,
  McpConfig,
  McpInstance,
  ToolNames,
  ToolPin,
  ToolPinState,
  WebhookAttempt,
  WebhookDelivery,
  WebhookDeliveryStatus,
  WebhookDisabledReason,
  WebhookEndpoint,
} from '../domain.ts'
import type { SealedColumn } from './sealedColumns.ts'

/** Everything that the gateway remembers. */
export interface Store {
  readonly connections: ConnectionStore
  readonly configs: ConfigStore
  readonly instances: InstanceStore
  readonly accounts: AccountStore
  readonly refreshes: RefreshStore
  readonly links: LinkStore
  readonly flows: FlowStore
  readonly verifications: VerificationStore
  readonly registrations: RegistrationStore
  readonly events: EventStore
  readonly settings: SettingStore
  readonly ringKeys: RingKeyStore
  readonly sealed: SealedStore
  readonly changes: ChangeStore
  readonly revocations: RevocationStore
  readonly pendingRevocations: PendingRevocationStore
  readonly webhooks: WebhookStore
  readonly audit: AuditStore
  readonly idempotency: IdempotencyStore
  readonly toolPins: ToolPinStore
  readonly scopeRequests: ScopeRequestStore
  /**
   * All or nothing. Within `work` use only the store that it is given: the outer one waits for the transaction to end,
   * and would wait for ever. Transactions that write do not interleave.
   */
  transaction<T>(work: (store: Store) => Promise<T>): Promise<T>
  /**
   * Within a transaction: from here to its end, no other transaction that locks the same user goes on, in any process.
   * Whoever makes or ends what belongs to a user locks the user first, so that nothing is made beside a revocation.
   */
  lockUser(userIdentifier: string): Promise<void>
  readonly locks: LockStore
  /**
   * Calls back whenever another process may have appended to `events` or `changes`: a wake-up, which says nothing and may
   * be lost, so read on from time to time anyway. Gives what ends it. On SQLite nobody is told.
   */
  listen(onWakeUp: () => void): () => Promise<void>
  /**
   * Whether whoever listens is woken up at present. While not, what other processes do is noticed at the next poll only.
   * On SQLite always: there are no others.
   */
  isListening(): boolean
  /** Forgets links and flows that expired before this time, and the answers to requests that were made before it. */
  forgetExpired(before: Date): Promise<void>
  /**
   * Takes what was deleted or replaced before out of the files, as far as the database can do that by itself. It may
   * have to leave some of it while others read.
   */
  scrub(): Promise<void>
  close(): Promise<void>
}

export interface ConnectionStore {
  /** The id that belongs to a connection's name: this one, or the one that the name already has. */
  ensure(connection: { id: string; name: string; createdAt: Date }): Promise<string>
  get(id: string): Promise<StoredConnection | undefined>
  /** Those that were made over the API, by name. */
  listDefined(): Promise<readonly (StoredConnection & { readonly sealedDefinition: Uint8Array })[]>
  /** Undefined: it is gone, and its name keeps its id. False unless the generation is this one; it is raised. */
  define(key: { id: string; generation: number }, sealedDefinition: Uint8Array | undefined): Promise<boolean>
}

export interface StoredConnection {
  readonly id: string
  readonly name: string
  /** Raised at every write of the definition. Compare-and-set key. */
  readonly generation: number
  /** Undefined unless it was made over the API. */
  readonly sealedDefinition: Uint8Array | undefined
}

export interface ConfigStore {
  get(id: string): Promise<McpConfig | undefined>
  getByName(name: string): Promise<McpConfig | undefined>
  /** False if the name is taken. */
  insert(config: McpConfig): Promise<boolean>
  /** Replaces the description and the mappings. False if there is no such config. */
  update(id: string, change: ConfigChange): Promise<boolean>
  /** By name; see {@link PlaceQuery}. */
  list(query: ConfigQuery): Promise<readonly McpConfig[]>
  count(query: ConfigFilter): Promise<number>
  /** With everything below it: its instances. False if there is no such config. */
  delete(id: string): Promise<boolean>
}

export interface ConfigChange {
  readonly description: string | undefined
  readonly mappings: readonly ConnectionToolMapping[]
  readonly toolNames?: ToolNames | undefined
  readonly updatedAt: Date
}

export interface ConfigFilter {
  readonly id?: string | undefined
  /** The beginning of the name, in any case (of ASCII letters). */
  readonly namePrefix?: string | undefined
  /** Somewhere in the name or the description, in any case (of ASCII letters). */
  readonly search?: string | undefined
  /** Uses at least one of these connections. */
  readonly connectionIds?: readonly string[] | undefined
}

/** By the name. */
export interface ConfigQuery extends ConfigFilter, PlaceQuery {}

/** Which part of a list: its beginning, what follows a key, or the last entries before one. Always in order. */
export interface PlaceQuery {
  /** Keys after this one only. */
  readonly after?: string | undefined
  /** Keys before this one only. */
  readonly before?: string | undefined
  /** At most so many. */
  readonly limit: number
}

export interface InstanceStore {
  get(id: string): Promise<McpInstance | undefined>
  find(configId: string, userIdentifier: string): Promise<McpInstance | undefined>
  /** Keeps this one, unless the user has one of this config already; gives the one that is kept. */
  ensure(instance: McpInstance): Promise<McpInstance>
  /** By id; see {@link PlaceQuery}. */
  list(query: InstanceQuery): Promise<readonly McpInstance[]>
  count(query: InstanceFilter): Promise<number>
  /** False if there is none, or the user has an instance of the new config already. */
  update(key: InstanceKey, change: InstanceChange): Promise<boolean>
  /** Compare-and-set on the URL's version, which is raised by one. */
  rotateUrl(key: InstanceKey, urlVersion: number, urlKeyId: string, at: Date): Promise<boolean>
  /** Those whose URL this key derived; at most `limit`. */
  listByUrlKey(urlKeyId: string, limit: number): Promise<readonly McpInstance[]>
  /** Notes when instances were used. Never moves the time back. */
  touch(ids: readonly string[], at: Date): Promise<void>
  delete(key: InstanceKey): Promise<boolean>
}

export interface InstanceKey {
  readonly id: string
  readonly userIdentifier: string
}

export interface InstanceChange {
  readonly name: string
  readonly configId: string
  readonly updatedAt: Date
}

export interface InstanceFilter {
  readonly id?: string | undefined
  /** The beginning of the name, in any case (of ASCII letters). */
  readonly namePrefix?: string | undefined
  readonly configId?: string | undefined
  /** Exactly. */
  readonly userIdentifier?: string | undefined
  /** Somewhere in the name or the user identifier, in any case (of ASCII letters). */
  readonly search?: string | undefined
}

/** By the id. */
export interface InstanceQuery extends InstanceFilter, PlaceQuery {}

/** An account, and whether a credential lies sealed beside it. */
export interface StoredAccount extends ConnectedAccount {
  readonly hasCredential: boolean
}

export interface AccountStore {
  get(id: string): Promise<StoredAccount | undefined>
  listForUser(userIdentifier: string, connectionIds: readonly string[]): Promise<readonly StoredAccount[]>
  /** Keeps those whose user has no account of that connection yet. */
  insertMissing(accounts: readonly ConnectedAccount[]): Promise<void>
  readCredential(id: string): Promise<{ account: StoredAccount; sealed: Uint8Array } | undefined>
  /** Compare-and-set on the generation, which stays as it is. False if the row is not of this generation any more. */
  setStatus(key: AccountKey, status: AccountStatus, at: Date): Promise<boolean>
  /** Compare-and-set on the generation, which is raised by one. False if the row is not of this generation any more. */
  setCredential(key: AccountKey, change: CredentialChange): Promise<boolean>
  /** By id; see {@link PlaceQuery}. */
  list(query: AccountQuery): Promise<readonly StoredAccount[]>
  count(query: AccountFilter): Promise<number>
  /** With everything below it: its links and flows. Compare-and-set on the generation. */
  delete(key: AccountKey): Promise<boolean>
}

export interface AccountFilter {
  readonly id?: string | undefined
  readonly connectionIds?: readonly string[] | undefined
  /** Exactly. */
  readonly userIdentifier?: string | undefined
  readonly status?: AccountStatus | undefined
}

/** By the id. */
export interface AccountQuery extends AccountFilter, PlaceQuery {}

export interface AccountKey {
  readonly id: string
  readonly userIdentifier: string
  readonly generation: number
}

export interface CredentialChange {
  readonly sealed: Uint8Array
  readonly status: AccountStatus
  readonly at: Date
}

/** What is known of the refresh of an account's present credential. Writing a credential clears it. */
export interface RefreshState {
  /** A refresh was begun, and nobody has seen its outcome: its refresh token may be spent. */
  readonly startedAt: Date | undefined
  readonly failedAt: Date | undefined
  /** How often it has failed. */
  readonly failures: number
}

/** An ACTIVE account's credential is refreshed under a key of `Store.locks`; here is what all processes know about it. */
export interface RefreshStore {
  get(accountId: string): Promise<RefreshState>
  /** Written before the request is sent. Compare-and-set on the generation; false if the account is not ACTIVE any more. */
  begin(key: AccountKey, at: Date): Promise<boolean>
  /** Counts a failure. Unless it is in doubt whether the server renewed the grant, that is the outcome of what was begun. */
  fail(key: AccountKey, failure: { at: Date; inDoubt: boolean }): Promise<void>
  /**
   * Accounts whose refresh was begun and has no outcome yet: first those that nobody has tried again, then those for
   * which that is the longest time ago. Without those that have failed ten times.
   */
  inDoubt(limit: number): Promise<readonly AccountInDoubt[]>
}

export interface AccountInDoubt extends AccountKey {
  readonly connectionId: string
}

/** Locks that need no transaction: however long one is held, it takes up no connection and holds up no other key. */
export interface LockStore {
  /**
   * At most one `work` of a key at a time, in all processes of the database. The key is let go when `work` ends, when it
   * fails, and when the process that runs it dies. If the connection to the database is lost, so is the key: what is
   * written under it needs a fence of its own, such as a generation.
   */
  hold<T>(key: string, work: () => Promise<T>): Promise<T>
  /** Like `hold`, but gives undefined at once, and does nothing, while somebody else holds the key. */
  holdIfFree<T>(key: string, work: () => Promise<T>): Promise<T | undefined>
}

/** A link that a user opens to connect an account. The token itself is never kept. */
export interface AuthLink {
  readonly id: string
  readonly accountId: string
  /** SHA-256 of the token, in hex. */
  readonly tokenHash: string
  readonly createdAt: Date
  readonly expiresAt: Date
  readonly usedAt: Date | undefined
  /** The API client that asked for the link; undefined where the MCP endpoint did. */
  readonly clientId?: string | undefined
  /** Where the app verifies its user after the consent; undefined where nobody verifies. */
  readonly verifyUrl?: string | undefined
  /** The app's `state`, sealed by the vault. */
  readonly sealedState?: Uint8Array | undefined
}

export interface LinkStore {
  insert(link: Omit<AuthLink, 'usedAt'>): Promise<void>
  get(id: string): Promise<AuthLink | undefined>
  findByTokenHash(tokenHash: string): Promise<AuthLink | undefined>
  /** True exactly once, and only before it expires. */
  consume(id: string, at: Date): Promise<boolean>
  /** How many of a user's links could still be used. */
  countOpen(userIdentifier: string, at: Date): Promise<number>
}

/** One attempt to authorize at a provider, from the redirect to the callback. */
export interface AuthFlow {
  /** SHA-256 of the OAuth `state`, in hex. */
  readonly stateHash: string
  readonly linkId: string
  readonly accountId: string
  /** The `AuthorizationAttempt`, sealed by the vault. */
  readonly sealedAttempt: Uint8Array
  /** SHA-256 of the cookie that binds the attempt to the browser that began it, in hex. */
  readonly browserHash: string
  readonly expiresAt: Date
  readonly consumed: boolean
}

export interface FlowStore {
  /** False if its link is gone, with its user or its account. */
  create(flow: Omit<AuthFlow, 'consumed'>): Promise<boolean>
  /** Also finds flows that are consumed or expired, so that the page can say which. */
  find(stateHash: string): Promise<AuthFlow | undefined>
  /** True exactly once, however many ask at the same time. Does not look at the expiry: `find` gives it. */
  consume(stateHash: string): Promise<boolean>
}

/** A credential that waits for the app to say that the person who consented is its user. */
export interface PendingVerification {
  /** SHA-256 of the `auth_request_id`, in hex. */
  readonly requestHash: string
  readonly accountId: string
  readonly userIdentifier: string
  /** The API client that may verify; undefined: any. */
  readonly clientId: string | undefined
  /** What the account goes back to if it is not verified. */
  readonly previousStatus: AccountStatus
  readonly sealedCredential: Uint8Array
  readonly expiresAt: Date
}

export interface VerificationStore {
  insert(pending: PendingVerification): Promise<void>
  /** Also finds what has expired. */
  find(requestHash: string): Promise<PendingVerification | undefined>
  /** Those of one account, the oldest first; expired ones too. */
  ofAccount(accountId: string, userIdentifier: string): Promise<readonly PendingVerification[]>
  /** What has expired at this time, the oldest first; at most `limit`. */
  expired(at: Date, limit: number): Promise<readonly PendingVerification[]>
  /** Removes it. True exactly once, however many ask at the same time. */
  take(requestHash: string, userIdentifier: string): Promise<boolean>
}

/** What a client registration belongs to. */
export interface RegistrationKey {
  readonly issuer: string
  readonly redirectUri: string
}

export interface Registration {
  readonly clientId: string
  readonly sealedClientSecret?: Uint8Array | undefined
  /** What the server answered, without its secrets. Plain JSON. */
  readonly metadata: Readonly<Record<string, unknown>>
}

export interface RegistrationStore {
  get(key: RegistrationKey): Promise<Registration | undefined>
  /** The first writer wins; gives the winner's. */
  put(key: RegistrationKey, registration: Registration): Promise<Registration>
  /** Forgets a registration that the server does not know any more, unless it has been replaced meanwhile. */
  remove(key: RegistrationKey, clientId: string): Promise<void>
}

export interface EventStore {
  /** Gives the event its place in the log. */
  append(event: Omit<AccountEvent, 'sequence'>): Promise<AccountEvent>
  /** One user's events after this place, oldest first. */
  after(sequence: number, userIdentifier: string, limit: number): Promise<readonly AccountEvent[]>
  /** Everybody's events after this place, oldest first: for whoever tells them on, never for a user. */
  since(sequence: number, limit: number): Promise<readonly AccountEvent[]>
  /** 0 while there is none. */
  latestSequence(): Promise<number>
  /** Of the oldest event that is still there; undefined while there is none. */
  earliestSequence(): Promise<number | undefined>
  /** Forgets events that are older, except for the latest of all: its place is where the log goes on. */
  forget(before: Date): Promise<void>
}

/** An endpoint, with the secrets that its requests are signed with, sealed by the vault. */
export interface StoredWebhookEndpoint extends WebhookEndpoint {
  readonly sealedSecrets: Uint8Array
}

/** What it does not name stays as it is. */
export interface WebhookChange {
  readonly url?: string
  readonly description?: string | undefined
  readonly disabledReason?: WebhookDisabledReason | undefined
  readonly failingSince?: Date | undefined
  readonly updatedAt: Date
}

export interface WebhookStore {
  insert(endpoint: StoredWebhookEndpoint): Promise<void>
  get(id: string): Promise<StoredWebhookEndpoint | undefined>
  /** All of them, oldest first. */
  list(): Promise<readonly StoredWebhookEndpoint[]>
  /** False if there is none. */
  update(id: string, change: WebhookChange): Promise<boolean>
  /** Compare-and-set on the generation, which is raised by one. */
  setSecrets(key: { id: string; generation: number }, sealedSecrets: Uint8Array, at: Date): Promise<boolean>
  /** With its deliveries. False if there is none. */
  delete(id: string): Promise<boolean>
  /** Queues an event for every endpoint that is enabled. Within the transaction that appends the event. */
  enqueue(event: AccountEvent, at: Date): Promise<void>
  /** When this endpoint's next delivery is due; undefined if nothing is pending. */
  nextDue(endpointId: string): Promise<Date | undefined>
  /** Takes deliveries that are due. Nobody else gets them before `until`; then they are due again. In order of the log. */
  claim(query: ClaimQuery): Promise<readonly ClaimedDelivery[]>
  /** False if the claim was lost meanwhile: it ran out and somebody else took it, or a replay was asked for. */
  finish(key: ClaimKey, result: DeliveryResult): Promise<boolean>
  /** Newest event first; at most `limit`. */
  deliveries(query: DeliveryQuery): Promise<readonly WebhookDelivery[]>
  delivery(endpointId: string, eventId: string): Promise<WebhookDelivery | undefined>
  /** Makes a delivery pending again, whatever it was. False if there is none. */
  replay(endpointId: string, eventId: string, at: Date): Promise<boolean>
  /** Queues what has happened since and was given up or never queued, and on demand what was delivered. Gives how many. */
  replaySince(endpointId: string, query: ReplayQuery): Promise<number>
  /** Forgets deliveries that were queued before. */
  forgetDeliveries(before: Date): Promise<void>
}

export interface ClaimQuery {
  readonly endpointId: string
  /** A name for this claim, never used twice. */
  readonly claim: string
  readonly now: Date
  readonly until: Date
  readonly limit: number
}

export interface ClaimedDelivery {
  readonly delivery: WebhookDelivery
  /** Undefined if it has been forgotten. */
  readonly event: AccountEvent | undefined
}

export interface ClaimKey {
  readonly endpointId: string
  readonly eventId: string
  readonly claim: string
}

export interface DeliveryResult {
  readonly status: WebhookDeliveryStatus
  readonly attempts: number
  readonly attemptLog: readonly WebhookAttempt[]
  /** Undefined unless it is pending. */
  readonly nextAttemptAt: Date | undefined
}

export interface DeliveryQuery {
  readonly endpointId: string
  readonly status?: WebhookDeliveryStatus | undefined
  /** Events before this place in the log only. */
  readonly beforeSequence?: number | undefined
  /** Events after this place only, and of those the oldest. */
  readonly afterSequence?: number | undefined
  readonly limit: number
}

export interface ReplayQuery {
  readonly since: Date
  readonly includeDelivered: boolean
  readonly at: Date
}

/** Rows are never changed; they go when they are old. */
export interface AuditStore {
  /** All of them in one statement. */
  append(rows: readonly AuditRow[]): Promise<void>
  /** Newest first. Keys are sequences, as texts; see {@link PlaceQuery}. */
  list(query: AuditQuery): Promise<readonly AuditRecord[]>
  /** Forgets at most `limit` rows that are older, and gives how many: there may be more. */
  forget(before: Date, limit: number): Promise<number>
}

export interface AuditFilter {
  /** Exactly. */
  readonly userIdentifier?: string | undefined
  /** Exactly. */
  readonly action?: string | undefined
  readonly actor?: string | undefined
  /** From this time on. */
  readonly since?: Date | undefined
  /** Before this time. */
  readonly until?: Date | undefined
}

/** From the newest to the oldest. */
export interface AuditQuery extends AuditFilter, PlaceQuery {}

export interface ChangeStore {
  /** Gives the change its place in the log. */
  append(change: { kind: ChangeKind; subject: string; occurredAt: Date }): Promise<Change>
  /** Changes after this place, oldest first. */
  after(sequence: number, limit: number): Promise<readonly Change[]>
  /** 0 while there is none. */
  latestSequence(): Promise<number>
  /** Forgets changes that are older: no cache remembers what they are about. */
  forget(before: Date): Promise<void>
}

export interface RevocationStore {
  /** The number of revocations of this user, and of this user's use of this config. */
  epoch(userIdentifier: string, configId: string): Promise<number>
  /** Raises the epoch: of one config's tokens, or, without one, of all of this user's. */
  raise(userIdentifier: string, configId: string | undefined, at: Date): Promise<void>
}

/** A credential whose account is gone, while its authorization server does not know that yet. */
export interface PendingRevocation {
  readonly id: string
  readonly userIdentifier: string
  /** Of the account that is gone. */
  readonly accountId: string
  readonly connectionId: string
  readonly sealedCredential: Uint8Array
  /** When somebody tells the server. While somebody does: when the next one tries if that one was killed. */
  readonly dueAt: Date
}

export interface PendingRevocationStore {
  insert(pending: PendingRevocation): Promise<void>
  ofUser(userIdentifier: string): Promise<readonly PendingRevocation[]>
  /** What is due at this time, the oldest first; at most `limit`. */
  due(at: Date, limit: number): Promise<readonly PendingRevocation[]>
  /** Compare-and-set on the time when it is due: true for one of those who ask. */
  postpone(pending: Pick<PendingRevocation, 'id' | 'userIdentifier' | 'dueAt'>, until: Date): Promise<boolean>
  delete(pending: Pick<PendingRevocation, 'id' | 'userIdentifier'>): Promise<boolean>
}

/** Requests that may be sent again, by a hash of what they are known by. */
export interface IdempotencyStore {
  /**
   * Takes a key, or one whose claim was abandoned: made before that time, and never saved. Otherwise gives the sealed
   * answer that the key has, or says that somebody works on it.
   */
  claim(claim: IdempotencyClaim & { at: Date; abandonedBefore: Date }): Promise<Uint8Array | 'claimed' | 'in_progress'>
  /** Keeps the answer. False if the claim has passed to somebody else. */
  save(claim: IdempotencyClaim, sealedAnswer: Uint8Array): Promise<boolean>
  /** Gives the key up, unless it has an answer. */
  release(claim: IdempotencyClaim): Promise<void>
}

export interface IdempotencyClaim {
  readonly keyHash: string
  /** Random: whose claim it is. */
  readonly claim: string
}

/** Small values about the store itself, such as the vault's canaries. */
export interface SettingStore {
  /** The first writer wins; gives the winner's value. */
  putIfAbsent(name: string, value: Uint8Array): Promise<Uint8Array>
  list(prefix: string): Promise<readonly { name: string; value: Uint8Array }[]>
}

/** `encryption` seals what is stored; `signing` derives URL secrets and signs tokens. */
export type RingName = 'encryption' | 'signing'

/** A key that a gateway on this database has used as the current one of its ring. The key itself is not here. */
export interface RingKey {
  readonly ring: RingName
  readonly keyId: string
  /** What only the right key proves: a sealed canary, or a keyed fingerprint. */
  readonly proof: Uint8Array
  /** Where a key management service guards the keys: the key, as the service encrypted it. */
  readonly wrappedKey: Uint8Array | undefined
  /** The newest one whose time has come is the current one. */
  readonly currentFrom: Date
  /** When a gateway last said that it uses this key as the current one. */
  readonly seenAt: Date
  /** Since when no value is left that needs it. */
  readonly retiredAt: Date | undefined
}

export interface RingKeyStore {
  /** All that were ever used, the oldest first. */
  list(ring: RingName): Promise<readonly RingKey[]>
  /** False if the ring has a key of this id. */
  insert(key: Omit<RingKey, 'retiredAt'>): Promise<boolean>
  /** Notes that it is in use, also if it had been retired. */
  see(key: Pick<RingKey, 'ring' | 'keyId'>, at: Date): Promise<void>
  /** False if it was seen meanwhile, or is retired already. */
  retire(key: Pick<RingKey, 'ring' | 'keyId' | 'seenAt'>, at: Date): Promise<boolean>
}

/** What the vault sealed, wherever it lies, without knowing what it is: see `sealedColumns.ts`. */
export interface SealedStore {
  /** The beginnings of the sealed values of a column, in the order of the primary key, after this place. */
  heads(column: SealedColumn, query: SealedQuery): Promise<readonly SealedHead[]>
  /** The whole value, or undefined if it has gone. `bound` are the columns that {@link SealedColumn.firstFormat} names. */
  read(column: SealedColumn, place: SealedPlace): Promise<{ sealed: Uint8Array; bound: readonly string[] } | undefined>
  /** Compare-and-set on the bytes, each by itself. Gives how many were replaced. */
  replace(column: SealedColumn, changes: readonly SealedChange[]): Promise<number>
}

/** The values of the primary key's columns. */
export type SealedPlace = readonly (string | number)[]

export interface SealedQuery {
  /** How many bytes of each value. */
  readonly bytes: number
  readonly after: SealedPlace | undefined
  readonly limit: number
}

export interface SealedHead {
  readonly place: SealedPlace
  readonly user: string | undefined
  readonly head: Uint8Array
}

export interface SealedChange extends Omit<SealedHead, 'head'> {
  readonly from: Uint8Array
  readonly to: Uint8Array
}

/** Which definitions of a connection's tools may be used. */
export interface ToolPinStore {
  /** Notes that pinning has begun. True for the first who says so. */
  begin(connectionId: string, at: Date): Promise<boolean>
  approved(connectionId: string): Promise<readonly Pick<ToolPin, 'tool' | 'digest'>[]>
  /** Those that are there stay as they are. Gives those that were not. */
  insertMissing(pins: readonly ToolPin[]): Promise<readonly ToolPin[]>
  get(id: string): Promise<ToolPin | undefined>
  /** By id, which is by tool; see {@link PlaceQuery}. */
  list(query: ToolPinFilter & PlaceQuery): Promise<readonly ToolPin[]>
  count(filter: ToolPinFilter): Promise<number>
  /** False if it has this state already, or there is none. */
  decide(id: string, state: ToolPinState, at: Date): Promise<boolean>
}

export interface ToolPinFilter {
  readonly connectionId: string
  readonly state?: ToolPinState | undefined
}

/** What upstreams want of accounts beyond what was granted; at most one of each account. */
export interface ScopeRequestStore {
  get(accountId: string): Promise<ScopeRequest | undefined>
  /** In place of the one that there is, if that is this user's. */
  put(request: ScopeRequest): Promise<void>
}

export interface ScopeRequest {
  readonly accountId: string
  readonly userIdentifier: string
  /** Divided by spaces; empty where the upstream did not say. */
  readonly scope: string
  /** Whether the next consent asks for it. */
  readonly isOpen: boolean
  /** How often the user has consented to it. */
  readonly consents: number
  /** When it was first asked for. */
  readonly requestedAt: Date
}
