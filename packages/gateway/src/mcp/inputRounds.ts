import { randomUUID } from 'node:crypto'
import { canBeAsked, type CapabilityCode } from '../upstream/clientCapabilities.ts'
import { applyEdits, insertMember, member, members, removeMember } from '../upstream/jsonSpans.ts'
import { isObject } from '../upstream/protocol.ts'
import { parse } from '../upstream/readAnswer.ts'
import type { AskedRequests } from './askedRequests.ts'
import type { Principal } from './authenticate.ts'
import { membersOfParams, type InboundRequest } from './inbound.ts'

/** What an upstream of the 2026-07-28 era answers where it needs input before it can go on. */
export interface InputRequired {
  readonly inputRequests: Readonly<Record<string, unknown>>
  readonly requestState: string | undefined
}

/** Undefined for any other answer. */
export function inputRequiredIn(text: string): InputRequired | undefined {
  const { result } = parse(text) ?? {}
  if (!isObject(result) || result['resultType'] !== 'input_required') return undefined
  const { inputRequests, requestState } = result
  return {
    inputRequests: isObject(inputRequests) ? inputRequests : {},
    requestState: typeof requestState === 'string' ? requestState : undefined,
  }
}

/** One question to the client, as a message, and its answer once it has come. */
export interface Question {
  readonly text: string
  readonly answer: Promise<readonly [key: string, result: unknown]>
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
  const entries = Object.entries(inputRequests)
  if (entries.length > MAX_QUESTIONS) return undefined
  const isAskable = (request: unknown) => isObject(request) && canBeAsked(capabilities, String(request['method']))
  if (!entries.every(([, request]) => isAskable(request))) return undefined
  return entries.map(([key, request]) => {
    const { id, response } = asked.ask(principal, signal)
    const { method, params } = isObject(request) ? request : {}
    const answer = response.then((text) => [key, resultIn(text, String(method))] as const)
    // It may fail while the client has not yet taken the question, and nobody waits for it: whoever does hears of it.
    answer.catch(() => undefined)
    return { text: JSON.stringify({ jsonrpc: '2.0', id, method, params: withElicitationId(params) }), answer }
  })
}

/** The 2025 era wants one where its user is sent to a URL; the 2026-07-28 era has none. */
function withElicitationId(params: unknown): unknown {
  const isAsked = isObject(params) && params['mode'] === 'url' && params['elicitationId'] === undefined
  return isAsked ? { ...params, elicitationId: randomUUID() } : params
}

/** A client that fails to ask its user has got no answer; for a question to a person that is a cancellation. */
function resultIn(text: string, method: string): unknown {
  const { result } = parse(text) ?? {}
  if (result !== undefined) return result
  if (method === 'elicitation/create') return { action: 'cancel' }
  throw new ClientRefused()
}

/** The client answered a question of the upstream with an error. */
export class ClientRefused extends Error {
  constructor() {
    super('the client did not give what the upstream asked for')
    this.name = 'ClientRefused'
  }
}

/** The same request with what the upstream asked for. */
export function withInput(
  call: InboundRequest,
  inputResponses: Readonly<Record<string, unknown>>,
  requestState: string | undefined,
): InboundRequest {
  const added = { inputResponses, ...(requestState !== undefined && { requestState }) }
  let { text } = call
  for (const [key, value] of Object.entries(added)) text = setParam(text, key, JSON.stringify(value))
  const { inputResponses: _responses, requestState: _state, ...params } = call.params
  const top = members(text)
  return { ...call, text, top, inParams: membersOfParams(text, top), params: { ...params, ...added } }
}

function setParam(text: string, key: string, value: string): string {
  const params = member(members(text), 'params')
  if (params === undefined) throw new TypeError('a request without params has been let through')
  const all = members(text, params.start)
  const old = member(all, key)
  if (old === undefined) return applyEdits(text, [insertMember(params.start, all, key, value)])
  return setParam(applyEdits(text, [removeMember(all, old)]), key, value)
}
