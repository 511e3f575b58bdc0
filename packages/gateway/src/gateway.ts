import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { createAccounts } from './accounts/accounts.ts'
import { DISCARD_UNVERIFIED_EVERY_MS } from './accounts/verification.ts'
import { createCommit } from './accounts/commit.ts'
import { createCredentials } from './accounts/credentials.ts'
import { createInstances } from './accounts/instances.ts'
import { createLastUsed } from './accounts/lastUsed.ts'
import { createRevocations } from './accounts/revocations.ts'
import { createUpstreamRevocations } from './accounts/upstreamRevocations.ts'
import { createAudit } from './audit/audit.ts'
import { auditedAccounts, auditedInstances, auditedKeys, auditedWebhooks } from './audit/audited.ts'
import { createDenials } from './audit/denials.ts'
import { createClosers, type Closers } from './closers.ts'
import type { GatewayOptions } from './config/gatewayOptions.ts'
import { parseOptions, type ParsedOptions } from './config/parseOptions.ts'
import { createConnections } from './config/connections.ts'
import { createRegistry } from './config/registry.ts'
import { verifyUrlProblem } from './config/verifyUrls.ts'
import { createConnect } from './connect/connect.ts'
import { createRefusalPage } from './connect/refusalPage.ts'
import { createConfigs } from './control/configs.ts'
import { createControl } from './control/control.ts'
import { createStatusEvents } from './control/statusEvents.ts'
import { createChanges } from './events/changes.ts'
import { createEventLog } from './events/eventLog.ts'
import { startFeed } from './events/feed.ts'
import { createApp } from './http/app.ts'
import { createClientAddress } from './http/clientAddress.ts'
import { createGuardedFetch } from './http/guardedFetch.ts'
import { createKeys } from './keys/keys.ts'
import { createOutboundPolicy } from './http/outboundPolicy.ts'
import { createReadiness, type Check } from './http/readiness.ts'
import { createRequestGate } from './http/requestGate.ts'
import { createRateLimits } from './limits/rateLimits.ts'
import { createToolPins } from './trust/toolPins.ts'
import { createMcpEndpoint } from './mcp/endpoint.ts'
import { createUnknownTools } from './mcp/unknownTools.ts'
import { createOAuth } from './oauth/oauth.ts'
import { GatewayError } from './errors.ts'
import type { Keys, Telemetry, Vault } from './services.ts'
import { openStore, type DatabaseLocation } from './store/openStore.ts'
import type { Store } from './store/store.ts'
import { createWebhookRoom } from './webhooks/webhookRoom.ts'
import { createVerifyCredential } from './upstream/verifyCredential.ts'
import { measuredFetch, measuredLimits, measuredOAuth, measuredPublish } from './telemetry/measured.ts'
import { openTelemetry } from './telemetry/openTelemetry.ts'
import { createTelemetry } from './telemetry/telemetry.ts'
import { openVault } from './vault/openVault.ts'
import { startUpkeep } from './vault/upkeep.ts'
import { version } from './version.ts'

/** A refresh whose process died is tried again while the authorization server still forgives it. */
const SETTLE_EVERY_MS = 1_000
const TELL_DENIALS_EVERY_MS = 60 * 1000
const FORGET_ROWS = 1000
const READY_CONTEXT = ['ready']
const FORGET_EVERY_MS = 10 * 60 * 1000
/** How often the gateway looks for grants that a killed process was about to give back. */
const REVOKE_LEFT_EVERY_MS = 30_000
/** So that a page can say of a link that it has expired. */
const KEEP_EXPIRED_MS = 24 * 60 * 60 * 1000
/** Longer than any replica can be behind. */
const KEEP_CHANGES_MS = 60 * 60 * 1000
/** For streams that resume, and for replays; with the log of what was delivered. */
const KEEP_EVENTS_MS = 30 * 24 * 60 * 60 * 1000

/** A gateway, as a value: give its `fetch` to any HTTP server whose requests carry the public URL's host. */
export interface Gateway extends AsyncDisposable {
  /**
   * Answers a request. It never rejects. `environment` is what `@hono/node-server` hands on beside it: of that the
   * address of the peer is read, for limits and the audit log.
   */
  readonly fetch: (request: Request, environment?: unknown) => Promise<Response>
  /**
   * Says at `GET /ready` that requests should go elsewhere from now on, and takes no new event streams; all else is
   * served until `close`.
   */
  drain(): void
  /**
   * All metrics in the text format of Prometheus, for an address that only your own network reaches: they are no secret,
   * but nobody else's business. There only where the option `telemetry.prometheus` is true.
   */
  readonly metrics: (() => Promise<string>) | undefined
  /** Ends open event streams, lets requests be answered that have begun, then closes sockets and the store. Idempotent. */
  close(): Promise<void>
}

/**
 * Makes a gateway: it issues a pre-authenticated MCP URL for each user, runs the consent, keeps the credentials, and
 * serves exactly the tools that are allowed.
 *
 * @throws {GatewayError} `configuration`, which lists everything that is wrong with the options, each with its key.
 * @example
 * import { serve } from '@hono/node-server'
 * import { createGateway } from '@latchkey/gateway'
 *
 * const gateway = await createGateway({
 *   publicUrl: 'http://127.0.0.1:8787',
 *   clients: [{ clientId: 'app', clientSecret: { env: 'LATCHKEY_CLIENT_SECRET' } }],
 *   connections: { docs: { mcpServerUrl: 'https://docs.example/mcp', auth: { type: 'none' } } },
 *   configs: { reader: { docs: '*' } },
 * })
 * serve({ fetch: gateway.fetch, port: 8787 })
 */
export async function createGateway(options: GatewayOptions): Promise<Gateway> {
  return await assembleGateway(parseOptions(options))
}

/** Like {@link createGateway}, of options that have been checked. If it fails, nothing stays open. */
export async function assembleGateway(options: ParsedOptions): Promise<Gateway> {
  const closers = createClosers()
  try {
    return await assemble(options, closers)
  } catch (error) {
    // What hindered the start says more than what then could not be closed.
    await closers.closeAll().catch(() => {})
    throw error
  }
}

/** Makes the rooms and joins them: the one place that knows all of them. */
async function assemble(options: ParsedOptions, closers: Closers): Promise<Gateway> {
  const { publicUrl, isLoopback, database, clock, log } = options
  const clientInfo = { name: 'latchkey', version }

  const directory = folderOf(database)
  if (directory !== undefined) await mkdir(directory, { recursive: true })
  const store = await openStore(database)
  closers.add(async () => await store.close())
  // Gateways that share a Postgres share their keys too, so none of them may make its own.
  const mayMakeKeys = isLoopback && database.kind === 'sqlite'
  const { rings, vault, reencryption, reload } = await openVault({
    ...options,
    isLoopback: mayMakeKeys,
    directory,
    store,
    alarm: (place) =>
      log({ time: new Date(clock()).toISOString(), level: 'error', message: 'unreadable value', ...place }),
  })
  const { telemetry, metrics } = await startTelemetry(options, closers)
  const operations = createOperations(options, store, telemetry)
  const { audit, limits } = operations
  const { ringKeys } = store
  closers.add(startUpkeep({ ringKeys, reencryption, reload, keys: rings.encryption, clock, log, audit }))
  closers.add(async () => await operations.denials.flush())
  closers.add(every(TELL_DENIALS_EVERY_MS, async () => await operations.denials.flush()))
  const keys = auditedKeys(createKeys(rings.signing, { publicUrl, clock }), audit)

  const registry = await createRegistry({ ...options, store, vault })
  const events = createEventLog(store, { log })
  const changes = createChanges({ log })
  if (telemetry !== undefined) events.subscribe(({ occurredAt }) => telemetry.eventTold(clock() - occurredAt.getTime()))
  closers.add(changes.subscribe(registry.onChange))
  const feed = await startFeed({ store, publish: events.publish, announce: changes.announce, log })
  closers.add(async () => await feed.close())
  const commit = createCommit({
    store,
    publish: telemetry === undefined ? feed.publish : measuredPublish(feed.publish, { registry, telemetry }),
    announce: feed.announce,
    audit,
  })
  const verifyUrl = options.userVerification?.url
  const finishRevocations = async (userIdentifier: string) => await upstreamRevocations.finish(userIdentifier)
  const accounts = auditedAccounts(
    createAccounts({ store, vault, registry, commit, publicUrl, clock, verifyUrl, finishRevocations }),
    audit,
  )
  const instances = auditedInstances(createInstances({ store, commit, keys, publicUrl, clock }), audit)
  const configs = createConfigs({ store, commit, publicUrl, clock })
  const connections = createConnections({ store, vault, registry, commit, clock })

  const guardedFetch = createGuardedFetch({ allowLoopback: isLoopback })
  closers.add(async () => await guardedFetch.close())
  const fetch = telemetry === undefined ? guardedFetch : measuredFetch(guardedFetch, telemetry)
  const plainOAuth = createOAuth({ fetch, registrations: store.registrations, vault, publicUrl, clock })
  const oauth = telemetry === undefined ? plainOAuth : measuredOAuth(plainOAuth, telemetry)
  const upstreamRevocations = createUpstreamRevocations({ store, vault, registry, oauth, clock, log })
  closers.add(every(REVOKE_LEFT_EVERY_MS, async () => await upstreamRevocations.sweep()))
  void upstreamRevocations.sweep().catch(() => {})
  const revocations = createRevocations({ store, commit, vault, registry, upstreamRevocations, clock })
  const { refreshes, locks } = store
  const credentials = createCredentials({ accounts, refreshes, locks, oauth, clock })
  closers.add(async () => await credentials.close())
  closers.add(every(SETTLE_EVERY_MS, async () => await credentials.settleInDoubt(registry)))
  void credentials.settleInDoubt(registry).catch(() => {})
  const lastUsed = createLastUsed({ store, clock })
  closers.add(lastUsed.close)
  const toolPins = createToolPins({ store, commit, changes, clock })
  closers.add(() => toolPins.close())
  const mcp = createMcpEndpoint({
    toolPins,
    limits,
    onUse: lastUsed.note,
    keys,
    vault,
    instances,
    configs,
    accounts,
    revocations,
    credentials,
    events,
    changes,
    fetch,
    clock,
    serverInfo: clientInfo,
  })
  closers.add(async () => await mcp.close())

  const statusEvents = createStatusEvents({ registry, configs })
  const webhookRoom = await createWebhookRoom({
    ...options,
    store,
    vault,
    fetch,
    events,
    statusEvents,
    checkUrl: createOutboundPolicy({ allowLoopback: isLoopback }).checkUrl,
  })
  closers.add(async () => await webhookRoom.close())
  const webhooks = auditedWebhooks(webhookRoom, audit)
  const closing = new AbortController()
  const readiness = operations.readiness({ keys: async () => await canSign(keys, vault) })
  const control = createControl({
    toolPins,
    audit,
    limits,
    publicUrl,
    verifyUrlProblem: (url) => verifyUrlProblem(url, options),
    clients: options.clients,
    store,
    vault,
    commit,
    clock,
    keys,
    connections,
    registry,
    configs,
    instances,
    accounts,
    revocations,
    events,
    changes,
    webhooks,
    discoverResult: () => mcp.discoverResult(),
    tools: mcp,
    diagnosed: { ...options, rings, readiness },
    unknownTools: createUnknownTools(registry),
    signal: closing.signal,
  })
  const connect = createConnect({
    audit,
    accounts,
    oauth,
    flows: store.flows,
    keys,
    vault,
    clock,
    publicUrl,
    appName: appNameOf(options),
    revoke: async (connection, credential) =>
      void (credential.type === 'oauth2' && (await oauth.revoke(connection, credential))),
    verifyCredential: createVerifyCredential({ fetch, clock, clientInfo }),
    report: ({ code, message }) =>
      log({ time: new Date(clock()).toISOString(), level: 'warn', message: 'connect', error: code, reason: message }),
  })
  const app = createApp({
    publicUrl,
    control,
    connect,
    mcp,
    isHealthy: async () => await canRead(store),
    ...operations,
    telemetry,
    readiness,
    log,
    clock,
  })

  closers.add(every(DISCARD_UNVERIFIED_EVERY_MS, async () => await accounts.discardUnverified()))
  closers.add(every(FORGET_EVERY_MS, async () => await forget(store, clock(), options)))
  const answering = new Set<Promise<Response>>()
  closers.add(async () => void (await Promise.allSettled(answering)))
  closers.add(() => closing.abort())

  async function fetchHere(request: Request, environment?: unknown): Promise<Response> {
    const answer = Promise.resolve(app.fetch(request, environment))
    answering.add(answer)
    return await answer.finally(() => answering.delete(answer))
  }
  const { drain } = operations
  return { fetch: fetchHere, drain, metrics, close: closers.closeAll, [Symbol.asyncDispose]: closers.closeAll }
}

/** Traces and metrics where they are asked for; else nothing, which costs nothing. */
async function startTelemetry({ telemetry: settings }: ParsedOptions, closers: Closers) {
  const opened = await openTelemetry({ settings, version })
  if (opened === undefined) return {}
  const telemetry = createTelemetry({ ...settings, ...opened, version })
  // The last that is closed but the store: what closes before it may still tell something.
  closers.add(async () => {
    telemetry.close()
    await opened.close()
  })
  return { telemetry, metrics: opened.metrics }
}

/** What stands around all rooms: limits, the audit log, and whether requests should come here. */
function createOperations(options: ParsedOptions, store: Store, telemetry: Telemetry | undefined) {
  const { publicUrl, clock, log, rateLimits, database } = options
  let draining = false
  const isDraining = () => draining
  const audit = createAudit({ store: store.audit, clock, log })
  const denials = createDenials({ audit })
  const plainLimits = createRateLimits(rateLimits)
  const limits = telemetry === undefined ? plainLimits : measuredLimits(plainLimits, telemetry)
  const page = createRefusalPage(publicUrl)
  return {
    audit,
    denials,
    limits,
    clientAddress: createClientAddress(options),
    gate: createRequestGate({ audit, denials, limits, page, isDraining }),
    readiness: (checks: Readonly<Record<string, Check>>) =>
      createReadiness({
        checks: {
          store: async () => await store.events.latestSequence(),
          // What it gives out, it has to write down first.
          audit: async () => await store.audit.list({ limit: 1 }),
          ...checks,
        },
        // Told, and no reason to send requests elsewhere: what notifications would say is found by polling too.
        ...(database.kind === 'postgres' && { hints: { notifications: () => store.isListening() } }),
        isDraining,
      }),
    drain: () => void (draining = true),
  }
}

/** Whether what is signed now can be verified, and what is sealed now can be opened. */
async function canSign(keys: Pick<Keys, 'digest' | 'jwks'>, vault: Vault): Promise<void> {
  const sealed = vault.seal('ready', READY_CONTEXT)
  if (vault.open(sealed, READY_CONTEXT) !== 'ready' || keys.digest('ready') === '' || keys.jwks().keys.length === 0) {
    throw new GatewayError('internal', 'The keys do not work.')
  }
  return await Promise.resolve()
}

/** Where files of the gateway's own may lie. */
function folderOf(database: DatabaseLocation): string | undefined {
  return database.kind === 'sqlite' && database.path !== ':memory:' ? dirname(database.path) : undefined
}

/** With several apps on one gateway nobody has said which of them shows the link. */
function appNameOf({ clients: [only, ...others] }: ParsedOptions): string {
  return only !== undefined && others.length === 0 ? only.displayName : 'Your app'
}

async function canRead(store: Store): Promise<boolean> {
  return await store.events.latestSequence().then(
    () => true,
    () => false,
  )
}

/** Forgets what nobody will ask for any more. */
async function forget(
  store: Store,
  now: number,
  { auditRetentionMs }: Pick<ParsedOptions, 'auditRetentionMs'>,
): Promise<void> {
  await store.forgetExpired(new Date(now - KEEP_EXPIRED_MS))
  if (auditRetentionMs !== undefined) await forgetAudit(store, new Date(now - auditRetentionMs))
  await store.changes.forget(new Date(now - KEEP_CHANGES_MS))
  await store.webhooks.forgetDeliveries(new Date(now - KEEP_EVENTS_MS))
  await store.events.forget(new Date(now - KEEP_EVENTS_MS))
}

/** Repeats a task that may fail: the next time is soon enough. Keeps no process alive. Gives what ends it. */
function every(milliseconds: number, task: () => Promise<void>): () => void {
  const timer = setInterval(() => void task().catch(() => {}), milliseconds)
  timer.unref()
  return () => clearInterval(timer)
}

/** In small steps, so that nobody waits for long. */
async function forgetAudit({ audit }: Pick<Store, 'audit'>, before: Date): Promise<void> {
  while ((await audit.forget(before, FORGET_ROWS)) === FORGET_ROWS);
}
