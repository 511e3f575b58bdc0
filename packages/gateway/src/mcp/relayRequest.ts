import { GatewayError } from '../errors.ts'
import { currentRequest } from '../requestScope.ts'
import type { Accounts, RequestLog } from '../services.ts'
import { canBeAsked, capabilitiesOf, NO_CAPABILITIES } from '../upstream/clientCapabilities.ts'
import { invalidUpstream, ScopeRefused } from '../upstream/failures.ts'
import { applyEdits, member, members } from '../upstream/jsonSpans.ts'
import { legacyHeaders, legacyMessage, type ClientInfo, type Link } from '../upstream/link.ts'
import { legacyWish, MODERN_WISH, type LinkWish } from '../upstream/links.ts'
import type { PostTarget } from '../upstream/post.ts'
import { INVALID_PARAMS, INVALID_REQUEST, isObject, METHOD_NOT_FOUND, UPSTREAM_FAILED } from '../upstream/protocol.ts'
import type { Upstreams } from '../upstream/upstreams.ts'
import { allowedConnections } from './allowedItems.ts'
import type { AskedRequests } from './askedRequests.ts'
import type { Principal } from './authenticate.ts'
import { translateCall, type CallDetails, type CallTranslation, type ParamEdit } from './callTranslation.ts'
import { consentAnswer } from './consentAnswer.ts'
import { contentUriEdits } from './contentUris.ts'
import { findRoute, mirroredOf, type Route } from './findRoute.ts'
import type { InboundRequest } from './inbound.ts'
import type { LegacySession } from './legacySession.ts'
import { paramHeadersOf } from './mirroredHeaders.ts'
import type { Quarantine } from './quarantine.ts'
import { relayAnswer, type RelayOptions, type UpstreamRequest } from './relayAnswer.ts'
import { relayRounds } from './relayRounds.ts'
import { errorReply, errorText, jsonReply, resultReply, type RpcError } from './replies.ts'
import type { RequestStates } from './requestStates.ts'
import { exposedUri } from './resourceUris.ts'
import type { SessionSettingsOf } from './sessionSettings.ts'

export interface RelayRequestDeps {
  readonly accounts: Accounts
  readonly upstreams: Upstreams
  readonly quarantine: Quarantine
  readonly clientInfo: ClientInfo
  readonly states: RequestStates
  readonly asked: AskedRequests
  readonly settings: SessionSettingsOf
}

/** A request of a client, on its way to one upstream. */
export interface Exchange {
  readonly principal: Principal
  readonly call: InboundRequest
  readonly headers: Headers
  /** Of a client of the 2025 era that has one. */
  readonly session: LegacySession | undefined
  readonly log: RequestLog
  /** Ends the request at the upstream. */
  readonly abort: AbortController
  /** Told whose credential the request goes out with. */
  readonly onAccount: (accountId: string) => void
  /** The request is over, however it ended. */
  readonly onEnd: () => void
}

/** Routes one request to its upstream and brings the answer back. */
export async function relayRequest(deps: RelayRequestDeps, exchange: Exchange): Promise<Response> {
  const { principal, call } = exchange
  const connections = await allowedConnections(deps.accounts, principal)
  const found = await findRoute({ ...deps, principal, connections }, call).catch(unfindable)
  if ('refusal' in found) return refuse(exchange, found.refusal)
  exchange.log.set('connection', found.from.connection.name)
  if (isKnownTool(deps.upstreams, exchange.call, found)) exchange.log.set('tool', found.nameHeader)
  const state = openState(deps, exchange)
  if (state === 'invalid') return refuse(exchange, INVALID_STATE)
  const route = { ...found, edits: [...found.edits, ...state] }
  exchange.onAccount(route.from.account.id)
  if (call.method === 'resources/unsubscribe') return unsubscribe(deps, exchange)
  if (route.from.account.status !== 'ACTIVE') return jsonReply(await askForConsent(deps, exchange, route))
  try {
    const refusal = call.method === 'resources/subscribe' ? await subscribe(deps, exchange, route) : undefined
    if (refusal !== undefined) return refusal
    return await relay(deps, exchange, route)
  } catch (error) {
    exchange.abort.signal.throwIfAborted()
    if (!(error instanceof GatewayError)) throw error
    return jsonReply(await failureText(deps, exchange, route, error))
  }
}

/** What the client is told whose request was not answered: where to consent, or what has failed. */
async function failureText(
  deps: RelayRequestDeps,
  exchange: Exchange,
  route: Route,
  error: GatewayError,
): Promise<string> {
  if (error.code !== 'consent_required') return failed(exchange, route, error)
  const problem = error instanceof ScopeRefused ? await askForScope(deps, route, error) : undefined
  if (problem !== undefined) return failed(exchange, route, problem)
  return askForConsent(deps, exchange, route, error instanceof ScopeRefused)
}

/** A tool whose definition has to be compared before it is called, with an upstream that does not list it now. */
function unfindable(error: unknown): { readonly refusal: RpcError } {
  const isUpstreams = error instanceof GatewayError && error.code.startsWith('upstream_')
  if (isUpstreams) return { refusal: { code: UPSTREAM_FAILED, message: error.message } }
  throw error
}

/** Whether the name is one that the config or the upstream has: what a caller makes up gets into no log. */
function isKnownTool(upstreams: Upstreams, { method }: InboundRequest, { from, nameHeader }: Route): boolean {
  if (method !== 'tools/call' || nameHeader === undefined) return false
  return (
    (from.tools?.includes(nameHeader) ?? false) ||
    (upstreams.known(from, 'tools')?.some(({ name }) => name === nameHeader) ?? false)
  )
}

/** How a server answers one that speaks the other era. What a call is refused with otherwise says nothing of the era. */
const WRONG_ERA: ReadonlySet<number> = new Set([400, 404, 405, 406, 415])
const INVALID_STATE: RpcError = {
  code: INVALID_PARAMS,
  message: 'Invalid params: the requestState is not one of this request',
  data: { reason: 'invalid_request_state' },
}

function openState({ states }: RelayRequestDeps, { principal, call }: Exchange): ParamEdit[] | 'invalid' {
  const { requestState } = call.params
  if (call.era === 'legacy' || requestState === undefined) return []
  const value = typeof requestState === 'string' ? states.open(principal, call, requestState) : undefined
  return value === undefined ? 'invalid' : [{ path: ['requestState'], value }]
}

const CANNOT_SUBSCRIBE: RpcError = { code: METHOD_NOT_FOUND, message: 'Method not found' }
const NO_SESSION: RpcError = { code: INVALID_REQUEST, message: 'Invalid request: a subscription needs a session' }
const TOO_MANY_SUBSCRIPTIONS: RpcError = { code: INVALID_PARAMS, message: 'Too many subscriptions: end one first' }

/**
 * An upstream of the 2026-07-28 era has no such request: it is told what is wanted on the stream on which it tells of
 * changes. One of the 2025 era is asked too, so that its client hears what it says. Undefined where that is to be done.
 */
async function subscribe(deps: RelayRequestDeps, exchange: Exchange, { from }: Route): Promise<Response | undefined> {
  const { upstreams, settings } = deps
  const { call, session, onEnd } = exchange
  if (session === undefined) return refuse(exchange, NO_SESSION)
  const link = await upstreams.linkTo(from, wishOf(deps, exchange))
  if (!link.subscribes) return refuse(exchange, CANNOT_SUBSCRIBE)
  const uri = String(call.params['uri'])
  if (!settings.hasRoomFor(session.id, uri)) return refuse(exchange, TOO_MANY_SUBSCRIPTIONS)
  if (link.era === 'legacy') return undefined
  settings.subscribe(session.id, uri)
  onEnd()
  return resultReply(call.id, '{}')
}

/** What an upstream has refused is no subscription of its client. */
function noteAccepted(
  { settings }: RelayRequestDeps,
  { call, session }: Exchange,
  answer: Record<string, unknown> | undefined,
): void {
  if (call.method !== 'resources/subscribe' || session === undefined || !isObject(answer?.['result'])) return
  settings.subscribe(session.id, String(call.params['uri']))
}

/** Whether another client of the account still wants to be told is for the stream to know that they share. */
function unsubscribe({ settings }: RelayRequestDeps, { call, session, onEnd }: Exchange): Response {
  if (session !== undefined) settings.unsubscribe(session.id, String(call.params['uri']))
  onEnd()
  return resultReply(call.id, '{}')
}

async function relay(deps: RelayRequestDeps, exchange: Exchange, route: Route): Promise<Response> {
  const { upstreams } = deps
  const { call, abort } = exchange
  const { from } = route
  const { send, end } = createSender(deps, exchange, route, await detailsOf(deps, exchange, route))
  const onEnd: RelayOptions['onEnd'] = (how) => {
    if (how === 'aborted') abort.abort(new Error('the client has gone'))
    exchange.log.set('outcome', how)
    end()
  }
  const doubtEra = (status: number): void => {
    if (WRONG_ERA.has(status)) upstreams.doubtEra(from.account.id)
  }
  const first = await send(call)
  const { link, target, answer: response, toClient } = first
  exchange.log.set('upstreamEra', link.era)
  const capabilities = exchange.session?.capabilities ?? NO_CAPABILITIES
  if (call.era === 'legacy' && link.era === 'modern' && capabilities !== NO_CAPABILITIES) {
    const { principal } = exchange
    const { connection } = from
    return relayRounds({
      connection,
      call,
      first,
      send,
      failureText: (error) => failureText(deps, exchange, route, error),
      onUnexpectedAnswer: doubtEra,
      onEnd,
      asked: deps.asked,
      principal,
      capabilities,
      signal: abort.signal,
    })
  }
  const relayed = relayAnswer(response, {
    connection: from.connection,
    clientEra: call.era,
    clientId: call.id,
    signal: abort.signal,
    toClient,
    onRequest: (asked) => answerUpstream(deps, exchange, { route, link, target }, asked),
    onEnd,
  })
  void relayed.catch(() => doubtEra(response.status))
  return relayed
}

/** Sends a call, once for each round, until `end`; what is given up before it is cancelled at an upstream of the 2025 era. */
function createSender(deps: RelayRequestDeps, exchange: Exchange, route: Route, details: CallDetails) {
  const { upstreams } = deps
  const { signal } = exchange.abort
  let last: { link: Link; target: PostTarget; translation: CallTranslation } | undefined
  let isOver = false
  signal.addEventListener('abort', () => {
    // In the 2025 era, going away does not cancel (transports, "Sending Messages").
    if (!isOver && last?.link.era === 'legacy') {
      const params = { requestId: last.translation.upstreamId, reason: 'The client gave the call up' }
      const message = { jsonrpc: '2.0', method: 'notifications/cancelled', params }
      upstreams.tell(last.target, legacyMessage(last.link, message))
    }
  })
  const send = async (request: InboundRequest) => {
    const build = (link: Link, target: PostTarget): CallTranslation['outgoing'] => {
      const translation = translateCall(request, link, details)
      last = { link, target, translation }
      return translation.outgoing
    }
    const answer = await upstreams.send(route.from, build, { signal, wants: wishOf(deps, exchange) })
    if (last === undefined) throw new TypeError('an answer came to a call that was not sent')
    const { translation } = last
    const toClient: CallTranslation['toClient'] = (text, message) => {
      const translated = translation.toClient(text, message)
      if (translated.kind === 'final') noteAccepted(deps, exchange, message)
      return withExposedUris(translated, route)
    }
    return { ...last, answer, toClient }
  }
  const end = (): void => {
    isOver = true
    exchange.onEnd()
  }
  return { send, end }
}

function wishOf({ settings }: RelayRequestDeps, { call, session }: Exchange): LinkWish {
  if (call.era === 'modern' || session === undefined) return MODERN_WISH
  return legacyWish(session.capabilities, settings.of(session.id).logLevel)
}

async function detailsOf(deps: RelayRequestDeps, exchange: Exchange, route: Route): Promise<CallDetails> {
  const { principal, call, session, headers } = exchange
  const isLegacyCall = call.era === 'legacy' && call.method === 'tools/call'
  return {
    edits: route.edits,
    nameHeader: route.nameHeader,
    clientInfo: deps.clientInfo,
    clientCapabilities: capabilitiesOf(session?.capabilities ?? NO_CAPABILITIES),
    logLevel: session && deps.settings.of(session.id).logLevel,
    paramHeaders: call.era === 'modern' ? paramHeadersOf(headers, currentRequest()?.headerNames) : {},
    mirrored: isLegacyCall ? await mirroredOf(deps.upstreams, route) : [],
    sealState: (state) => deps.states.seal(principal, call, state),
  }
}

/** Where several upstreams meet, a resource in an answer is named as the endpoint names it. */
function withExposedUris<T extends { readonly kind: string }>(translated: T, { from }: Route): T {
  if (!from.naming.prefixed || translated.kind !== 'final' || !('text' in translated)) return translated
  const text = String(translated.text)
  if (!text.includes('"uri"')) return translated
  const edits = contentUriEdits(text, (uri) => exposedUri(from.naming, from.connection.name, uri))
  return { ...translated, text: applyEdits(text, edits) }
}

interface Way {
  readonly route: Route
  readonly link: Link
  readonly target: PostTarget
}

/**
 * What an upstream of the 2025 era asks in the middle of a call: handed on to a client that can be asked, under an id
 * that says where its response has to go; refused otherwise. That we are alive we say ourselves.
 */
function answerUpstream(
  { upstreams, asked }: RelayRequestDeps,
  { principal, call, session }: Exchange,
  { route, link, target }: Way,
  { id, method, text }: UpstreamRequest,
): string | undefined {
  if (link.era !== 'legacy') return undefined
  if (call.era === 'legacy' && session !== undefined && canBeAsked(session.capabilities, method)) {
    const { version, sessionId } = link
    const sealed = asked.seal(principal, {
      accountId: route.from.account.id,
      link: { version, sessionId },
      upstreamId: id,
    })
    const place = member(members(text), 'id')
    return place && applyEdits(text, [{ ...place, text: JSON.stringify(sealed) }])
  }
  const refusal = { code: METHOD_NOT_FOUND, message: 'The client cannot be asked this' }
  const outcome = method === 'ping' ? '"result":{}' : `"error":${JSON.stringify(refusal)}`
  upstreams.tell(target, { body: `{"jsonrpc":"2.0","id":${id},${outcome}}`, headers: legacyHeaders(link) })
  return undefined
}

/** From now on a consent to this account asks for it. Gives what to say instead where that would not help. */
async function askForScope(
  { accounts }: RelayRequestDeps,
  { from: { account, connection } }: Route,
  { scope }: ScopeRefused,
): Promise<GatewayError | undefined> {
  try {
    await accounts.requestScope(account, scope)
    return undefined
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'precondition') throw error
    return invalidUpstream(connection, 'refuses this for want of access that its user has granted', error)
  }
}

async function askForConsent(
  { accounts }: RelayRequestDeps,
  exchange: Exchange,
  route: Route,
  isForMore = false,
): Promise<string> {
  const { call, session, log, onEnd } = exchange
  onEnd()
  log.set('outcome', 'authorization_required')
  const { from, what } = route
  return consentAnswer(accounts, { call, from, what, isForMore, capabilities: session?.capabilities ?? '' })
}

function failed({ call, log, onEnd }: Exchange, { from }: Route, error: GatewayError): string {
  onEnd()
  log.set('outcome', error.code)
  const data = { connection: from.connection.name }
  return errorText(call.id, { code: UPSTREAM_FAILED, message: error.message, data })
}

function refuse({ call, onEnd }: Exchange, error: RpcError): Response {
  onEnd()
  return errorReply(call.id, error, 200)
}
