import { GatewayError } from '../errors.ts'
import { pauseAfter } from '../longText.ts'
import { actAs } from '../requestScope.ts'
import type {
  Accounts,
  Changes,
  Clock,
  Configs,
  Credentials,
  EventLog,
  GuardedFetch,
  Instances,
  Keys,
  McpEndpoint,
  RateLimits,
  RequestLog,
  Revocations,
  ToolPins,
  ToolInspector,
  Vault,
} from '../services.ts'
import {
  INVALID_PARAMS,
  INVALID_REQUEST,
  METHOD_NOT_FOUND,
  PARSE_ERROR,
  REFUSED,
  SESSION_NOT_FOUND,
  SSE_TYPE,
  UPSTREAM_FAILED,
  isRequestId,
  JSON_TYPE,
  mediaType,
} from '../upstream/protocol.ts'
import { applyEdits, member } from '../upstream/jsonSpans.ts'
import { legacyHeaders } from '../upstream/link.ts'
import { LISTS, type ListKind } from '../upstream/listPage.ts'
import { logLevelOf } from '../upstream/logLevel.ts'
import { createUpstreams } from '../upstream/upstreams.ts'
import { authenticate, type Authentication, type Denied, type Principal } from './authenticate.ts'
import { allowedConnections } from './allowedItems.ts'
import { createAskedRequests } from './askedRequests.ts'
import { discoverResult, initializeResult, type ServerInfo } from './identity.ts'
import { readInbound, type Inbound, type InboundRequest, type InboundResponse } from './inbound.ts'
import { createFreshReads } from './freshReads.ts'
import { createInFlight } from './inFlight.ts'
import { createLegacySession, readLegacySession, type LegacySession } from './legacySession.ts'
import { isRouted } from './findRoute.ts'
import { createListening } from './listening.ts'
import { createToolInspector } from './inspectTools.ts'
import { createKeptListings } from './keptListings.ts'
import { listItems } from './listItems.ts'
import { createQuarantine } from './quarantine.ts'
import { relayRequest } from './relayRequest.ts'
import { createRequestStates } from './requestStates.ts'
import { createStandingCalls, type StandingCall } from './standingCalls.ts'
import { createSessionSettings } from './sessionSettings.ts'
import { createSessionTokens } from './sessionTokens.ts'
import { BodyTooLarge, readBody } from './readBody.ts'
import {
  accepted,
  errorReply,
  invalidToken,
  jsonReply,
  methodNotAllowed,
  resultReply,
  resultText,
  tooManyRequests,
  tokenInQuery,
  unknownUrl,
} from './replies.ts'

export interface McpEndpointDeps {
  readonly keys: Keys
  readonly vault: Vault
  readonly instances: Instances
  readonly configs: Configs
  readonly accounts: Accounts
  readonly revocations: Pick<Revocations, 'epoch'>
  readonly credentials: Credentials
  readonly events: EventLog
  readonly changes: Changes
  readonly toolPins: ToolPins
  readonly fetch: GuardedFetch
  readonly clock: Clock
  /** How often an agent may ask. Default: as often as it likes. */
  readonly limits?: RateLimits | undefined
  /** Told of each use of an instance's URL. Default: nobody. */
  readonly onUse?: ((instanceId: string) => void) | undefined
  /** What the endpoint says it is. Default: `latchkey`, version 0.0.0. */
  readonly serverInfo?: ServerInfo
  /** The longest request body, in bytes. Default 10 MiB. */
  readonly maxBodyBytes?: number
  /** How long one upstream may take to list its tools, in milliseconds. Default 10,000. */
  readonly listTimeoutMs?: number
  /** How long calls under way may take to end when the endpoint closes, in milliseconds. Default 10,000. */
  readonly closeGraceMs?: number
}

export interface ClosingMcpEndpoint extends McpEndpoint {
  /**
   * Ends the streams of notifications, and lets calls end for as long as the grace: those under way, and those of
   * requests that have begun and are not `answered` yet. Then it ends them. What else was begun goes on until `close`.
   */
  endCalls(answered: Promise<unknown>): Promise<void>
}

const MAX_BODY_BYTES = 10 * 1024 * 1024

const LIST_OF_METHOD: ReadonlyMap<string, ListKind> = new Map(
  (['tools', 'prompts', 'resources', 'resourceTemplates'] as const).map((kind) => [LISTS[kind].method, kind]),
)

/**
 * What agents connect to. It decides who and which tools anew on every request, answers what it can answer itself, and
 * relays `tools/call` message by message: it is no MCP server and no MCP client, and never decodes what it need not touch.
 */
export function createMcpEndpoint(deps: McpEndpointDeps): ClosingMcpEndpoint & ToolInspector {
  const { limits, keys, vault, credentials, events, changes, fetch, clock, listTimeoutMs, onUse } = deps
  const fresh = createFreshReads(deps)
  const { instances, configs, accounts, revocations } = fresh
  const {
    serverInfo = { name: 'latchkey', version: '0.0.0' },
    maxBodyBytes = MAX_BODY_BYTES,
    closeGraceMs = 10_000,
  } = deps
  const upstreams = createUpstreams({ fetch, credentials, clock, clientInfo: serverInfo, listTimeoutMs })
  const unsubscribe = events.subscribe(({ accountId }) => upstreams.forget(accountId))
  const quarantine = createQuarantine({ pins: deps.toolPins, upstreams })
  const kept = createKeptListings()
  const inFlight = createInFlight()
  const standing = createStandingCalls(deps)
  const settings = createSessionSettings()
  const listening = createListening({ accounts, events, changes, upstreams, standing, settings, clock })
  const states = createRequestStates({ vault, clock })
  const asked = createAskedRequests(vault)
  const relayDeps = { accounts, upstreams, quarantine, clientInfo: serverInfo, states, asked, settings }
  const authenticateDeps = {
    changeCount: () => standing.changeCount(),
    keys,
    instances,
    configs,
    revocations,
    sessionTokens: createSessionTokens(keys, clock),
  }

  /** Each user by itself, and each of a user's credentials, so that one agent that runs wild stops nobody else's. */
  async function overLimit({ userIdentifier, instanceId, config }: Principal): Promise<number | undefined> {
    if (limits === undefined) return undefined
    const credential = instanceId ?? JSON.stringify([config.id, userIdentifier])
    return (await limits.take('credential', credential)) ?? (await limits.take('user', userIdentifier))
  }

  async function serve(request: Request, admitted: Principal, log: RequestLog): Promise<Response> {
    if (mediaType(request.headers.get('content-type')) !== JSON_TYPE) {
      return errorReply(
        null,
        { code: REFUSED, message: 'Unsupported media type: the body must be application/json' },
        415,
      )
    }
    const inbound = await readMessage(request)
    const principal = await lookAgain(admitted)
    if (typeof principal === 'string') return denial(principal)
    if (inbound instanceof Response) return inbound
    const session = sessionOf(request, principal, inbound)
    if (session === 'unknown') return errorReply(null, { code: SESSION_NOT_FOUND, message: 'Session not found' }, 404)
    switch (inbound.kind) {
      case 'invalid':
        return errorReply(inbound.id, inbound.error, inbound.status)
      case 'response':
        await deliverResponse(principal, inbound)
        return accepted()
      case 'notification':
        if (inbound.method === 'notifications/cancelled') cancel(session, inbound.params)
        return accepted()
      case 'request':
        return answer(request, principal, inbound, session, log)
      default:
        return inbound satisfies never
    }
  }

  async function readMessage(request: Request): Promise<Inbound | Response> {
    let text: string
    try {
      text = await readBody(request, maxBodyBytes)
    } catch (error) {
      return unreadable(error, maxBodyBytes)
    }
    await pauseAfter(text)
    const inbound = await readInbound(text, request.headers)
    await pauseAfter(text)
    return inbound
  }

  /** A body takes as long to arrive as its sender likes: nothing begins with what was good when the headers came. */
  async function lookAgain(admitted: Principal): Promise<Authentication> {
    if (admitted.expiresAt !== undefined && clock() >= admitted.expiresAt) return 'invalid_token'
    return admitted.since === standing.changeCount() ? admitted : await admitted.again()
  }

  /** Only a client of the 2025 era that has a session opens a stream like this. */
  async function openStream({ headers }: Request, principal: Principal): Promise<Response> {
    const id = headers.get('mcp-session-id')
    if (id === null || !(headers.get('accept') ?? '').includes(SSE_TYPE)) return methodNotAllowed()
    const session = readLegacySession(keys, principal, id)
    if (session === undefined) return errorReply(null, { code: SESSION_NOT_FOUND, message: 'Session not found' }, 404)
    return listening.open(principal, session)
  }

  /** A session is a convenience of the 2025 era: a request without one is served as well, a foreign one is not. */
  function sessionOf(request: Request, principal: Principal, inbound: Inbound): LegacySession | 'unknown' | undefined {
    const id = request.headers.get('mcp-session-id')
    const ignores = inbound.kind === 'request' && (inbound.era === 'modern' || inbound.method === 'initialize')
    if (id === null || ignores) return undefined
    return readLegacySession(keys, principal, id) ?? 'unknown'
  }

  function cancel(session: LegacySession | undefined, { requestId }: Record<string, unknown>): void {
    if (session !== undefined && isRequestId(requestId)) inFlight.cancel(session.id, requestId)
  }

  async function answer(
    request: Request,
    principal: Principal,
    call: InboundRequest,
    session: LegacySession | undefined,
    log: RequestLog,
  ): Promise<Response> {
    const { id, era, method, params } = call
    log.set('era', era)
    log.set('rpcMethod', KNOWN_METHODS.has(method) ? method : 'unknown')
    if (isRouted(call)) return answerRouted(request, principal, call, session, log)
    const list = LIST_OF_METHOD.get(method)
    if (list !== undefined) return answerList(principal, list, call, log)
    if (era === 'modern' && method === 'subscriptions/listen') return listening.listen(principal, id, params)
    if (era === 'modern' && method === 'server/discover') {
      return resultReply(id, JSON.stringify(discoverResult(serverInfo)))
    }
    if (era === 'legacy' && method === 'ping') return resultReply(id, '{}')
    if (era === 'legacy' && method === 'logging/setLevel') return setLogLevel(call, session)
    if (era === 'legacy' && method === 'initialize') {
      const result = JSON.stringify(initializeResult(serverInfo, call.version))
      return jsonReply(resultText(id, result), 200, { 'mcp-session-id': createLegacySession(keys, principal, params) })
    }
    return errorReply(id, { code: METHOD_NOT_FOUND, message: 'Method not found' }, era === 'modern' ? 404 : 200)
  }

  /** What one client wants to be told is no other client's business. */
  function setLogLevel({ id, params }: InboundRequest, session: LegacySession | undefined): Response {
    const level = logLevelOf(params['level'])
    if (level === undefined) {
      return errorReply(id, { code: INVALID_PARAMS, message: 'Invalid params: there is no such log level' }, 200)
    }
    if (session === undefined) {
      return errorReply(id, { code: INVALID_REQUEST, message: 'Invalid request: a log level needs a session' }, 200)
    }
    settings.setLogLevel(session.id, level)
    return resultReply(id, '{}')
  }

  async function answerList(
    principal: Principal,
    kind: ListKind,
    { id, era, params }: InboundRequest,
    log: RequestLog,
  ): Promise<Response> {
    const request = { kind, principal, era, cursor: params['cursor'] }
    const listing = await listItems({ accounts, upstreams, quarantine, serverInfo, kept }, request)
    if (listing === undefined) return errorReply(id, { code: INVALID_PARAMS, message: 'Invalid cursor' }, 200)
    const { result, count, unavailable, refused, flags } = listing
    log.set(kind, count)
    if (refused.length > 0) log.set('refusedItems', refused.length)
    if (flags.length > 0) {
      log.set('flagged', flags.length)
      log.set('flags', [...new Set(flags.flat())].toSorted().join(','))
    }
    if (unavailable.length > 0) log.set('unavailable', unavailable.map(({ connection }) => connection).join(','))
    return resultReply(id, result)
  }

  async function answerRouted(
    request: Request,
    principal: Principal,
    call: InboundRequest,
    session: LegacySession | undefined,
    log: RequestLog,
  ): Promise<Response> {
    const abort = new AbortController()
    const onGone = (): void => abort.abort(new Error('the client has gone'))
    request.signal.addEventListener('abort', onGone, { once: true })
    // It may have gone before this, while its message was read: then nobody tells any more.
    if (request.signal.aborted) onGone()
    const flight = inFlight.start(session?.id, call.id, abort)
    const standingCall: StandingCall = { principal, abort }
    const leave = standing.add(standingCall)
    const onEnd = (): void => {
      leave()
      flight.end()
      request.signal.removeEventListener('abort', onGone)
    }
    const onAccount = (accountId: string): void => void (standingCall.accountId = accountId)
    const exchange = { principal, call, headers: request.headers, session, log, abort, onAccount, onEnd }
    try {
      return await relayRequest(relayDeps, exchange)
    } catch (error) {
      onEnd()
      if (!abort.signal.aborted) throw error
      log.set('outcome', 'aborted')
      if (standingCall.denied !== undefined) return denial(standingCall.denied)
      const reason: unknown = abort.signal.reason
      if (reason instanceof GatewayError) {
        return errorReply(call.id, { code: UPSTREAM_FAILED, message: reason.message }, 200)
      }
      // Nobody reads this where the client has gone; one that cancelled is told that nothing more will come.
      return new Response('', { status: 200, headers: { 'content-type': SSE_TYPE } })
    }
  }

  /** What a client answers to an upstream that asked it. Where nobody waits for it, nobody misses it. */
  async function deliverResponse(principal: Principal, response: InboundResponse): Promise<void> {
    const question = asked.answered(principal, response.id, response.text)
    if (question === undefined) return
    const connections = await allowedConnections(accounts, principal)
    const from = connections.find(({ account }) => account.id === question.accountId)
    const place = member(response.top, 'id')
    if (from === undefined || place === undefined) return
    const body = applyEdits(response.text, [{ ...place, text: question.upstreamId }])
    // The upstream has its own deadline for what it asks; a response that is lost ends there.
    await upstreams.deliver(from, { body, headers: legacyHeaders(question.link) }).catch(() => undefined)
  }

  async function endCalls(answered: Promise<unknown>): Promise<void> {
    listening.close()
    await inFlight.close(closeGraceMs, answered)
  }

  return {
    async handle(request, endpoint, log) {
      if (request.method !== 'POST' && request.method !== 'GET') return methodNotAllowed()
      if (hasTokenInQuery(request.url)) {
        log.set('refusal', 'token_in_query')
        return tokenInQuery()
      }
      const principal = await authenticate(authenticateDeps, endpoint, request.headers.get('authorization'))
      if (typeof principal === 'string') return denial(principal)
      actAs('agent')
      log.set('configId', principal.config.id)
      log.set('instanceId', principal.instanceId)
      const seconds = await overLimit(principal)
      if (seconds !== undefined) return tooManyRequests(seconds)
      if (principal.instanceId !== undefined) onUse?.(principal.instanceId)
      const answered = request.method === 'GET' ? openStream(request, principal) : serve(request, principal, log)
      return answered.catch((error: unknown) => deniedMeanwhile(principal, error))
    },
    discoverResult: () => discoverResult(serverInfo),
    ...createToolInspector(upstreams),
    endCalls,
    async close() {
      await endCalls(Promise.resolve())
      // Until now: who loses the access in the grace loses the call too.
      unsubscribe()
      standing.close()
      fresh.close()
      await upstreams.close()
    },
  }
}

function denial(denied: Denied): Response {
  return denied === 'unknown_url' ? unknownUrl() : invalidToken()
}

/** Who was revoked in the middle of a request is told the same as somebody who never had access (security T4). */
async function deniedMeanwhile({ again }: Principal, error: unknown): Promise<Response> {
  if (!(error instanceof GatewayError) || error.code !== 'conflict') throw error
  const found = await again()
  if (typeof found === 'string') return denial(found)
  throw error
}

/** What a client made up does not get into the log. */
const KNOWN_METHODS: ReadonlySet<string> = new Set([
  'server/discover',
  'subscriptions/listen',
  'initialize',
  'ping',
  'tools/list',
  'tools/call',
  'prompts/list',
  'prompts/get',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'resources/subscribe',
  'resources/unsubscribe',
  'completion/complete',
  'logging/setLevel',
])

/** RFC 9700 section 4.3.2: a query ends up in logs and in other sites' referrers, so a token does not belong there. */
function hasTokenInQuery(url: string): boolean {
  const query = url.indexOf('?')
  return query !== -1 && /[?&](?:access_)?token=/i.test(url.slice(query))
}

function unreadable(error: unknown, maxBodyBytes: number): Response {
  if (error instanceof BodyTooLarge) {
    return errorReply(null, { code: REFUSED, message: `The body is longer than ${maxBodyBytes} bytes` }, 413)
  }
  return errorReply(null, { code: PARSE_ERROR, message: 'Parse error: the body could not be read' }, 400)
}
