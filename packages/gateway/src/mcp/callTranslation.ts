import { encodeHeaderValue } from '../upstream/headerValue.ts'
import {
  applyEdits,
  insertMember,
  member,
  members,
  objectOf,
  valueAt,
  type Edit,
  type Member,
} from '../upstream/jsonSpans.ts'
import { legacyHeaders, modernHeaders, type ClientInfo, type LegacyLink, type Link } from '../upstream/link.ts'
import { isAtLeast } from '../upstream/logLevel.ts'
import type { Outgoing } from '../upstream/post.ts'
import {
  CLIENT_CAPABILITIES_META,
  CLIENT_INFO_META,
  ENVELOPE_META,
  isObject,
  isRequestId,
  LOG_LEVEL_META,
  MODERN_VERSION,
  SERVER_INFO_META,
  VERSION_META,
  type RequestId,
} from '../upstream/protocol.ts'
import { isAnswer } from '../upstream/readAnswer.ts'
import type { MirroredArgument } from '../upstream/listPage.ts'
import { textAt, type InboundRequest } from './inbound.ts'
import { isOurInputKey } from './inputKeys.ts'
import { mirroredHeaders } from './mirroredHeaders.ts'

/** What the message of a client becomes for one upstream, and what the upstream's messages become for the client. */
export interface CallTranslation {
  readonly outgoing: Outgoing
  /** The request's id on the upstream's side. */
  readonly upstreamId: RequestId
  /** `message` is the text, parsed; undefined where it is no JSON object. */
  toClient(text: string, message: Record<string, unknown> | undefined): Translated
}

export type Translated =
  | { readonly kind: 'final'; readonly text: string }
  | { readonly kind: 'forward'; readonly text: string }
  /** The upstream asks something of us; `id` is as it wrote it. */
  | { readonly kind: 'request'; readonly id: string; readonly method: string }
  | { readonly kind: 'drop' }

/** A value in the params that the upstream knows under another name. */
export interface ParamEdit {
  /** Member names, from `params` down. */
  readonly path: readonly [string, ...string[]]
  readonly value: string
}

export interface CallDetails {
  readonly edits: readonly ParamEdit[]
  /** What `Mcp-Name` says towards the upstream; undefined for a method that has none. */
  readonly nameHeader: string | undefined
  readonly clientInfo: ClientInfo
  /** What the client of the 2025 era can be asked, as an upstream of the 2026-07-28 era wants to be told. */
  readonly clientCapabilities: Readonly<Record<string, unknown>>
  /** What a client of the 2025 era has asked to be logged. */
  readonly logLevel: string | undefined
  /** Makes of an upstream's request state what the client may carry. */
  readonly sealState: (state: string) => string
  /** The `Mcp-Param-*` headers as a client of the 2026-07-28 era sent them. */
  readonly paramHeaders: Readonly<Record<string, string>>
  readonly mirrored: readonly MirroredArgument[]
}

/**
 * Changes what has to change and nothing else: the tool's name, our own input responses, and where the two sides are of
 * different eras the envelope; towards a 2025 session the request id and the progress token too, which have to be unique
 * among all clients that share the session.
 */
export function translateCall(call: InboundRequest, link: Link, details: CallDetails): CallTranslation {
  return link.era === 'modern' ? toModern(call, details) : toLegacy(call, link, details)
}

interface Parts {
  readonly params: Member
  readonly inParams: readonly Member[]
  readonly meta: Member | undefined
}

function partsOf({ top, inParams }: InboundRequest): Parts {
  const params = member(top, 'params')
  if (params === undefined) throw new TypeError('a request without params has been let through')
  return { params, inParams, meta: member(inParams, '_meta') }
}

function toModern(call: InboundRequest, details: CallDetails): CallTranslation {
  const parts = partsOf(call)
  const isLegacyClient = call.era === 'legacy'
  const edits = [...commonEdits(call, parts, details.edits)]
  if (isLegacyClient) edits.push(addEnvelope(call, parts, details))
  const args = call.params['arguments']
  const headers = {
    ...(isLegacyClient ? mirroredHeaders(details.mirrored, isObject(args) ? args : {}) : details.paramHeaders),
    ...modernHeaders(call.method),
    ...(details.nameHeader === undefined ? {} : { 'mcp-name': encodeHeaderValue(details.nameHeader) }),
  }
  return {
    outgoing: { body: applyEdits(call.text, edits), headers },
    upstreamId: call.id,
    toClient: (text, message) => fromModern(text, message, call, details.sealState),
  }
}

function fromModern(
  text: string,
  message: Record<string, unknown> | undefined,
  call: InboundRequest,
  sealState: CallDetails['sealState'],
): Translated {
  if (message === undefined) return { kind: 'drop' }
  if (typeof message['method'] === 'string') return forwardNotification(text, message)
  if (!isAnswer(message, call.id)) return { kind: 'drop' }
  const edits = [
    ...(message['id'] === call.id ? [] : [idEdit(text, call.id)]),
    ...stateEdits(text, message, sealState),
    ...scopeEdits(text, message),
  ]
  const answer = applyEdits(text, edits)
  return { kind: 'final', text: call.era === 'legacy' ? forLegacyClient(answer, message) : answer }
}

/** What an upstream wants to have back goes to the client sealed: nobody else can present it, or elsewhere (T15). */
function stateEdits(text: string, { result }: Record<string, unknown>, sealState: CallDetails['sealState']): Edit[] {
  if (!isObject(result) || typeof result['requestState'] !== 'string') return []
  const place = valueAt(text, 'result', 'requestState')
  return place === undefined ? [] : [{ ...place, text: JSON.stringify(sealState(result['requestState'])) }]
}

const PRIVATE = '"private"'

/** What comes through a user's endpoint is that user's, whatever the upstream thinks of it (T16). */
function scopeEdits(text: string, { result }: Record<string, unknown>): Edit[] {
  if (!isObject(result) || result['cacheScope'] === undefined || result['cacheScope'] === 'private') return []
  const place = valueAt(text, 'result', 'cacheScope')
  return place === undefined ? [] : [{ ...place, text: PRIVATE }]
}

function toLegacy(call: InboundRequest, link: LegacyLink, details: CallDetails): CallTranslation {
  const parts = partsOf(call)
  const upstreamId = link.nextId()
  const meta = isObject(call.params['_meta']) ? call.params['_meta'] : {}
  const progressToken = parts.meta && textAt(call.text, member(members(call.text, parts.meta.start), 'progressToken'))
  const edits = [...commonEdits(call, parts, details.edits), replaceId(call, upstreamId)]
  if (parts.meta !== undefined) edits.push(stripEnvelope(call.text, parts.meta, upstreamId))
  const isModernClient = call.era === 'modern'
  const wanted = isModernClient ? meta[LOG_LEVEL_META] : details.logLevel
  const wantsLog = (level: unknown): boolean => (wanted === undefined && !isModernClient) || isAtLeast(level, wanted)
  return {
    outgoing: { body: applyEdits(call.text, edits), headers: legacyHeaders(link) },
    upstreamId,
    toClient: (text, message) =>
      fromLegacy(text, message, { call, upstreamId, progressToken, isModernClient, wantsLog }),
  }
}

interface LegacyCall {
  readonly call: InboundRequest
  readonly upstreamId: RequestId
  /** As the client wrote it. */
  readonly progressToken: string | undefined
  readonly isModernClient: boolean
  /** A client of the new era says with each request how much it wants to be told; one of the old era may have said so. */
  readonly wantsLog: (level: unknown) => boolean
}

function fromLegacy(text: string, message: Record<string, unknown> | undefined, legacy: LegacyCall): Translated {
  if (message === undefined) return { kind: 'drop' }
  if (message['method'] === 'notifications/progress') return progressForClient(text, message, legacy)
  if (message['method'] === 'notifications/message' && !legacy.wantsLog(levelIn(message))) return { kind: 'drop' }
  if (typeof message['method'] === 'string') return forwardNotification(text, message)
  if (!isAnswer(message, legacy.upstreamId)) return { kind: 'drop' }
  return { kind: 'final', text: withClientId(text, message, legacy) }
}

function levelIn({ params }: Record<string, unknown>): unknown {
  return isObject(params) ? params['level'] : undefined
}

function commonEdits({ text, params }: InboundRequest, { inParams }: Parts, wanted: readonly ParamEdit[]): Edit[] {
  const edits = wanted.flatMap((edit) => paramEdit(text, inParams, params, edit))
  const responses = member(inParams, 'inputResponses')
  if (responses === undefined) return edits
  const all = members(text, responses.start)
  const kept = all.filter(({ key }) => !isOurInputKey(key))
  if (kept.length < all.length) edits.push({ ...responses, text: objectOf(text, kept) })
  return edits
}

/** Nothing where the value is already what it should be: then the client's own bytes stay. */
function paramEdit(
  text: string,
  inParams: readonly Member[],
  params: unknown,
  { path: [first, ...rest], value }: ParamEdit,
): Edit[] {
  let at = member(inParams, first)
  let current = valueOf(params, first)
  for (const key of rest) {
    at = at && member(members(text, at.start), key)
    current = valueOf(current, key)
  }
  return at === undefined || current === value ? [] : [{ ...at, text: JSON.stringify(value) }]
}

function valueOf(parsed: unknown, key: string): unknown {
  return isObject(parsed) ? parsed[key] : undefined
}

function replaceId({ top }: InboundRequest, id: RequestId): Edit {
  const place = member(top, 'id')
  if (place === undefined) throw new TypeError('a request without an id has been let through')
  return { ...place, text: JSON.stringify(id) }
}

function addEnvelope(
  { text }: InboundRequest,
  { params, inParams, meta }: Parts,
  { clientInfo, clientCapabilities, logLevel }: CallDetails,
): Edit {
  const envelope = [
    `${JSON.stringify(VERSION_META)}:${JSON.stringify(MODERN_VERSION)}`,
    `${JSON.stringify(CLIENT_INFO_META)}:${JSON.stringify(clientInfo)}`,
    `${JSON.stringify(CLIENT_CAPABILITIES_META)}:${JSON.stringify(clientCapabilities)}`,
    ...(logLevel === undefined ? [] : [`${JSON.stringify(LOG_LEVEL_META)}:${JSON.stringify(logLevel)}`]),
  ]
  if (meta === undefined) return insertMember(params.start, inParams, '_meta', `{${envelope.join(',')}}`)
  const kept = members(text, meta.start).filter(({ key }) => !ENVELOPE_META.has(key))
  const others = kept.map((each) => text.slice(each.keyStart, each.end))
  return { ...meta, text: `{${[...envelope, ...others].join(',')}}` }
}

/** What is left is what the client meant for the upstream; the progress token is the id, which is unique. */
function stripEnvelope(text: string, meta: Member, upstreamId: RequestId): Edit {
  const kept = members(text, meta.start).filter(({ key }) => !ENVELOPE_META.has(key))
  const written = kept.map((each) =>
    each.key === 'progressToken'
      ? `"progressToken":${JSON.stringify(upstreamId)}`
      : text.slice(each.keyStart, each.end),
  )
  return { ...meta, text: `{${written.join(',')}}` }
}

function forwardNotification(text: string, message: Record<string, unknown>): Translated {
  if (!('id' in message)) return FORWARDED.has(String(message['method'])) ? { kind: 'forward', text } : { kind: 'drop' }
  const id = isRequestId(message['id']) ? member(members(text), 'id') : undefined
  return id === undefined
    ? { kind: 'drop' }
    : { kind: 'request', id: text.slice(id.start, id.end), method: String(message['method']) }
}

/** What belongs to one call. Everything else that an upstream announces is about the session, which is ours. */
const FORWARDED: ReadonlySet<string> = new Set(['notifications/progress', 'notifications/message'])

function progressForClient(text: string, message: Record<string, unknown>, legacy: LegacyCall): Translated {
  const { params } = message
  if (!isObject(params) || params['progressToken'] !== legacy.upstreamId || legacy.progressToken === undefined) {
    return { kind: 'drop' }
  }
  const place = member(members(text), 'params')
  const token = place && member(members(text, place.start), 'progressToken')
  if (token === undefined) return { kind: 'drop' }
  return { kind: 'forward', text: applyEdits(text, [{ ...token, text: legacy.progressToken }]) }
}

function withClientId(text: string, message: Record<string, unknown>, { call, isModernClient }: LegacyCall): string {
  const edits = [idEdit(text, call.id)]
  const result = member(members(text), 'result')
  if (isModernClient && result !== undefined && isObject(message['result']) && !('resultType' in message['result'])) {
    edits.push(insertMember(result.start, members(text, result.start), 'resultType', completeOf(call.method)))
  }
  return applyEdits(text, edits)
}

/** Of how long a resource is good, the 2025 revisions say nothing. */
function completeOf(method: string): string {
  return method === 'resources/read' ? `"complete","ttlMs":0,"cacheScope":${PRIVATE}` : '"complete"'
}

/** An error may come without an id, where the upstream could not read it. */
function idEdit(text: string, clientId: RequestId): Edit {
  const top = members(text)
  const place = member(top, 'id')
  const written = JSON.stringify(clientId)
  return place === undefined ? insertMember(text.indexOf('{'), top, 'id', written) : { ...place, text: written }
}

/**
 * Takes out what the 2025 era does not know: `resultType`, structured content that is not an object, and who answered in
 * `_meta`, which some clients would hand on to the model with every text.
 */
function forLegacyClient(text: string, message: Record<string, unknown>): string {
  const place = member(members(text), 'result')
  const { result } = message
  if (place === undefined || !isObject(result)) return text
  const written = members(text, place.start).flatMap((each) => memberForLegacyClient(text, each, result) ?? [])
  return applyEdits(text, [{ ...place, text: `{${written.join(',')}}` }])
}

function memberForLegacyClient(text: string, place: Member, result: Record<string, unknown>): string | undefined {
  const { key, keyStart, start, end } = place
  const value = result[key]
  if (key === 'resultType' || (key === 'structuredContent' && !isObject(value))) return undefined
  if (key !== '_meta' || !isObject(value) || !(SERVER_INFO_META in value)) return text.slice(keyStart, end)
  const kept = members(text, start).filter((each) => each.key !== SERVER_INFO_META)
  return kept.length === 0 ? undefined : `"_meta":${objectOf(text, kept)}`
}
