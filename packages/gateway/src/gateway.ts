import { openAccounts, type AccountRooms } from './assembly/openAccounts.ts'
import { openCredentials, openOAuth } from './assembly/openCredentials.ts'
import { openFoundation, type Foundation } from './assembly/openFoundation.ts'
import { openPrograms } from './assembly/openPrograms.ts'
import { toldOnceRead } from './assembly/toldOnceRead.ts'
import { auditedWebhooks } from './audit/audited.ts'
import { createClosers, type Closers } from './closers.ts'
import type { GatewayOptions } from './config/gatewayOptions.ts'
import { parseOptions, type ParsedOptions } from './config/parseOptions.ts'
import { verifyUrlProblem } from './config/verifyUrls.ts'
import { createConnect } from './connect/connect.ts'
import { createControl } from './control/control.ts'
import { createStatusEvents } from './control/statusEvents.ts'
import { GatewayError } from './errors.ts'
import { createApp } from './http/app.ts'
import { createOutboundPolicy } from './http/outboundPolicy.ts'
import { createMcpEndpoint, type ClosingMcpEndpoint } from './mcp/endpoint.ts'
import { createUnknownTools } from './mcp/unknownTools.ts'
import type { Keys, Vault } from './services.ts'
import type { Store } from './store/store.ts'
import { createVerifyCredential } from './upstream/verifyCredential.ts'
import { version } from './version.ts'
import { createWebhookRoom } from './webhooks/webhookRoom.ts'

const READY_CONTEXT = ['ready']

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
  /**
   * Ends open event streams, lets requests be answered that have begun (tool calls for ten seconds at most), then closes
   * sockets and the store. Idempotent.
   */
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

/** Makes the rooms and joins them: with what is in `assembly/`, the one place that knows all of them. */
async function assemble(options: ParsedOptions, closers: Closers): Promise<Gateway> {
  const foundation = await openFoundation(options, closers)
  const ways = openOAuth(options, foundation, closers)
  const finishRevocations = async (userIdentifier: string) => await custody.upstreamRevocations.finish(userIdentifier)
  const rooms = await openAccounts(options, foundation, finishRevocations, closers)
  const custody = openCredentials(options, foundation, rooms, ways, closers)
  const programs = openPrograms(options, rooms, ways, closers)
  const all = { ...options, ...foundation, ...rooms, ...ways, ...custody, ...programs }
  const read = toldOnceRead({ ...rooms, log: options.log })
  closers.add(read.close)
  const mcp = createMcpEndpoint({
    ...all,
    changes: read.changes,
    fetch: programs.upstreamFetch,
    onUse: rooms.lastUsed.note,
    serverInfo: CLIENT_INFO,
  })
  closers.add(async () => await mcp.close())
  const webhooks = await openWebhooks(options, all, closers)
  const { store, keys, vault, operations, telemetry, metrics } = foundation
  const readiness = operations.readiness({ keys: async () => await canSign(keys, vault) })
  const closing = new AbortController()
  const control = createControl({
    ...all,
    webhooks,
    verifyUrlProblem: (url) => verifyUrlProblem(url, options),
    discoverResult: () => mcp.discoverResult(),
    tools: mcp,
    diagnosed: { ...options, rings: foundation.rings, readiness },
    unknownTools: createUnknownTools(rooms.registry),
    signal: closing.signal,
  })
  const connect = openConnect(options, all)
  const isHealthy = async () => await canRead(store)
  const app = createApp({ ...options, ...operations, control, connect, mcp, isHealthy, telemetry, readiness })
  const fetch = answeredBeforeClosing(closers, mcp, (request, environment) => app.fetch(request, environment))
  closers.add(() => closing.abort())
  const { drain } = operations
  return { fetch, drain, metrics, close: closers.closeAll, [Symbol.asyncDispose]: closers.closeAll }
}

const CLIENT_INFO = { name: 'latchkey', version }

type Rooms = Foundation & AccountRooms & ReturnType<typeof openOAuth> & ReturnType<typeof openPrograms>

async function openWebhooks(options: ParsedOptions, rooms: Rooms, closers: Closers) {
  const { store, vault, fetch, events, audit } = rooms
  const { checkUrl } = createOutboundPolicy({ allowLoopback: options.isLoopback })
  const room = await createWebhookRoom({
    ...options,
    store,
    vault,
    fetch,
    events,
    statusEvents: createStatusEvents(rooms),
    checkUrl,
  })
  closers.add(async () => await room.close())
  return auditedWebhooks(room, audit)
}

function openConnect(options: ParsedOptions, rooms: Rooms) {
  const { clock, log } = options
  const { store, oauth } = rooms
  return createConnect({
    ...options,
    ...rooms,
    flows: store.flows,
    appName: appNameOf(options),
    revoke: async (connection, credential) =>
      void (credential.type === 'oauth2' && (await oauth.revoke(connection, credential))),
    verifyCredential: createVerifyCredential({ ...rooms, clock, clientInfo: CLIENT_INFO }),
    report: ({ code, message }) =>
      log({ time: new Date(clock()).toISOString(), level: 'warn', message: 'connect', error: code, reason: message }),
  })
}

/** Lets requests be answered that have begun when the gateway closes. Calls have one grace, however they are answered. */
function answeredBeforeClosing(
  closers: Closers,
  mcp: Pick<ClosingMcpEndpoint, 'endCalls'>,
  fetch: (request: Request, environment?: unknown) => Response | Promise<Response>,
): Gateway['fetch'] {
  const answering = new Set<Promise<Response>>()
  closers.add(async () => {
    const answered = Promise.allSettled(answering)
    await Promise.all([answered, mcp.endCalls(answered)])
  })
  return async (request, environment) => {
    const answer = Promise.resolve(fetch(request, environment))
    answering.add(answer)
    try {
      return await answer
    } finally {
      answering.delete(answer)
    }
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
