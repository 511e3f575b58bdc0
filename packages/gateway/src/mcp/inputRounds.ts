import { randomUUID } from 'node:crypto'
import { canBeAsked, type CapabilityCode } from '../upstream/clientCapabilities.ts'
import {
  applyEdits,
  DuplicateKeyError,
  insertMember,
  member,
  members,
  removeMember,
  valueAt,
  type Span,
} from '../upstream/jsonSpans.ts'
import { isObject } from '../upstream/protocol.ts'
import { parse } from '../upstream/readAnswer.ts'
import type { AskedRequests } from './askedRequests.ts'
import type { Principal } from './authenticate.ts'
import { membersOfParams, textAt, type InboundRequest } from './inbound.ts'

/** What an upstream of the 2026-07-28 era answers where it needs input before it can go on. */
export interface InputRequired {
  /** By the upstream's key. */
  readonly inputRequests: ReadonlyMap<string, InputRequest>
  readonly requestState: string | undefined
}

/** What the upstream wants to have asked. */
interface InputRequest {
  readonly method: string
  /** As the upstream wrote them: a number may have more digits than a parser keeps. */
  readonly params: string | undefined
}

/** Undefined for any other answer. `message` is the text, parsed. Throws `DuplicateKeyError` where it can be read in two ways. */
export function inputRequiredIn(text: string, message: Record<string, unknown> | undefined): InputRequired | undefined {
  const { result } = message ?? {}
  if (!isObject(result) || result['resultType'] !== 'input_required') return undefined
  const { requestState } = result
  return {
    inputRequests: requestsAt(text, valueAt(text, 'result', 'inputRequests')),
    requestState: typeof requestState === 'string' ? requestState : undefined,
  }
}

function requestsAt(text: string, place: Span | undefined): ReadonlyMap<string, InputRequest> {
  const requests = new Map<string, InputRequest>()
  for (const { key, start } of place === undefined ? [] : members(text, place.start)) {
    if (requests.has(key)) throw new DuplicateKeyError()
    const inRequest = members(text, start)
    const method: unknown = JSON.parse(textAt(text, member(inRequest, 'method')) ?? 'null')
    requests.set(key, { method: String(method), params: textAt(text, member(inRequest, 'params')) })
  }
  return requests
}

/** One question to the client, as a message, and its answer once it has come. */
export interface Question {
  readonly text: string
  /** `result` as the client wrote it. */
  readonly answer: Promise<readonly [key: string, result: string]>
}

export interface AskOptions {
  readonly asked: AskedRequests
  readonly principal: Principal
  readonly capabilities: CapabilityCode
  readonly signal: AbortSignal
}

/** Of one round. Each is a message to the client, and a promise that waits for its answer. */
const MAX_QUESTIONS = 16

/**
 * The questions of a 2026-07-28 upstream as requests that a client of the 2025 era understands. Undefined where one of
 * them is none that this client can be asked: an upstream must not ask it then, for we have told it so.
 */
export function questionsOf({ inputRequests }: InputRequired, options: AskOptions): readonly Question[] | undefined {
  const { asked, principal, capabilities, signal } = options
  if (inputRequests.size > MAX_QUESTIONS) return undefined
  const entries = [...inputRequests]
  if (!entries.every(([, { method }]) => canBeAsked(capabilities, method))) return undefined
  return entries.map(([key, { method, params }]) => {
    const { id, response } = asked.ask(principal, signal)
    const answer = response.then((text) => [key, resultIn(text, method)] as const)
    // It may fail while the client has not yet taken the question, and nobody waits for it: whoever does hears of it.
    answer.catch(() => undefined)
    const head = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"method":${JSON.stringify(method)}`
    return { text: params === undefined ? `${head}}` : `${head},"params":${withElicitationId(params)}}`, answer }
  })
}

/** The 2025 era wants one where its user is sent to a URL; the 2026-07-28 era has none. */
function withElicitationId(params: string): string {
  const { mode, elicitationId } = parse(params) ?? {}
  if (mode !== 'url' || elicitationId !== undefined) return params
  return applyEdits(params, [insertMember(0, members(params), 'elicitationId', JSON.stringify(randomUUID()))])
}

/** A client that fails to ask its user has got no answer; for a question to a person that is a cancellation. */
function resultIn(text: string, method: string): string {
  const result = textAt(text, member(members(text), 'result'))
  if (result !== undefined) return result
  if (method === 'elicitation/create') return '{"action":"cancel"}'
  throw new ClientRefused()
}

/** The client answered a question of the upstream with an error. */
export class ClientRefused extends Error {
  constructor() {
    super('the client did not give what the upstream asked for')
    this.name = 'ClientRefused'
  }
}

/** The same request with what the upstream asked for: `inputResponses` are JSON texts, as the client wrote them. */
export function withInput(
  call: InboundRequest,
  inputResponses: Readonly<Record<string, string>>,
  requestState: string | undefined,
): InboundRequest {
  const responses = Object.entries(inputResponses).map(([key, response]) => `${JSON.stringify(key)}:${response}`)
  const responsesText = `{${responses.join(',')}}`
  let text = setParam(call.text, 'inputResponses', responsesText)
  if (requestState !== undefined) text = setParam(text, 'requestState', JSON.stringify(requestState))
  const { inputResponses: _responses, requestState: _state, ...kept } = call.params
  const added = { inputResponses: JSON.parse(responsesText), ...(requestState !== undefined && { requestState }) }
  const top = members(text)
  return { ...call, text, top, inParams: membersOfParams(text, top), params: { ...kept, ...added } }
}

function setParam(text: string, key: string, value: string): string {
  const params = member(members(text), 'params')
  if (params === undefined) throw new TypeError('a request without params has been let through')
  const all = members(text, params.start)
  const old = member(all, key)
  if (old === undefined) return applyEdits(text, [insertMember(params.start, all, key, value)])
  return setParam(applyEdits(text, [removeMember(all, old)]), key, value)
}
