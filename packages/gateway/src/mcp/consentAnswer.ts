import { randomUUID } from 'node:crypto'
import { UNAVAILABLE_META_KEY } from '@latchkey/core/wire'
import type { Accounts } from '../services.ts'
import type { CapabilityCode } from '../upstream/clientCapabilities.ts'
import { CLIENT_CAPABILITIES_META, isObject, UPSTREAM_FAILED, URL_ELICITATION_REQUIRED } from '../upstream/protocol.ts'
import type { AllowedConnection } from './allowedItems.ts'
import type { InboundRequest } from './inbound.ts'
import { inputKeyOf } from './inputKeys.ts'
import { errorText, resultText } from './replies.ts'

export interface ConsentQuestion {
  readonly call: InboundRequest
  readonly from: AllowedConnection
  /** What cannot be used without it, such as: the tool "search_mail". */
  readonly what: string
  /** The account is connected, and its upstream wants more than was granted. */
  readonly isForMore?: boolean | undefined
  /** What a client of the 2025 era said that it can be asked. */
  readonly capabilities: CapabilityCode
}

/**
 * The answer to a call whose connection its user has to authorize first: the link, in the form that this client
 * understands; without one, what to do and no link, for the text goes to a model.
 *
 * - 2026-07-28 with `elicitation.url`: `input_required`. There is no request state: a retry is decided from scratch.
 * - 2025-11-25 with `elicitation.url`: error -32042.
 * - everybody else: a result with `isError` of a tool call, an error of any other request.
 */
export async function consentAnswer(accounts: Accounts, question: ConsentQuestion): Promise<string> {
  const { call, from, what, isForMore = false } = question
  if (!canOpenUrls(question)) return withoutLink(call, from, mustAuthorize(from, what, isForMore))
  if (hasDeclined(question)) {
    return withoutLink(call, from, `The user did not authorize the connection "${from.connection.name}".`)
  }
  const account = (await accounts.get(from.account.id)) ?? from.account
  const url = (await accounts.createLink(account)).url.reveal()
  const message = `Authorize ${from.connection.displayName}${isForMore ? ' for more access' : ''} to continue.`
  return call.era === 'modern' ? inputRequired(call, from, url, message) : elicitationRequired(call, url, message)
}

function inputRequired(call: InboundRequest, { connection }: AllowedConnection, url: string, message: string): string {
  const request = { method: 'elicitation/create', params: { mode: 'url', message, url } }
  const inputRequests = { [inputKeyOf(connection.name)]: request }
  return resultText(call.id, JSON.stringify({ resultType: 'input_required', inputRequests }))
}

function elicitationRequired(call: InboundRequest, url: string, message: string): string {
  const elicitations = [{ mode: 'url', elicitationId: randomUUID(), url, message }]
  return errorText(call.id, { code: URL_ELICITATION_REQUIRED, message, data: { elicitations } })
}

function withoutLink(call: InboundRequest, { connection }: AllowedConnection, text: string): string {
  const unavailable = [{ connection: connection.name, reason: 'authorization_required' }]
  if (call.method !== 'tools/call') {
    const data = { connection: connection.name, [UNAVAILABLE_META_KEY]: unavailable }
    return errorText(call.id, { code: UPSTREAM_FAILED, message: text, data })
  }
  const result = {
    ...(call.era === 'modern' ? { resultType: 'complete' } : {}),
    content: [{ type: 'text', text }],
    isError: true,
    _meta: { [UNAVAILABLE_META_KEY]: unavailable },
  }
  return resultText(call.id, JSON.stringify(result))
}

function mustAuthorize({ connection }: AllowedConnection, what: string, isForMore: boolean): string {
  return (
    `The connection "${connection.name}" must be authorized${isForMore ? ' for more access' : ''} by its user before ${what} can be used. ` +
    'Ask the app for an authorization link.'
  )
}

/** Which requests a client of the 2026-07-28 era expects to be answered with a question. */
const MAY_REQUIRE_INPUT: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read'])

function canOpenUrls({ call, capabilities: legacyCapabilities }: ConsentQuestion): boolean {
  if (call.era === 'legacy') return legacyCapabilities.includes('u')
  if (!MAY_REQUIRE_INPUT.has(call.method)) return false
  const meta = call.params['_meta']
  const capabilities = isObject(meta) ? meta[CLIENT_CAPABILITIES_META] : undefined
  const elicitation = isObject(capabilities) ? capabilities['elicitation'] : undefined
  return isObject(elicitation) && isObject(elicitation['url'])
}

/** The client was sent to the link and the person said no: asking once more would only go round. */
function hasDeclined({ call, from }: ConsentQuestion): boolean {
  const responses = call.params['inputResponses']
  const key = inputKeyOf(from.connection.name)
  const response = isObject(responses) && Object.hasOwn(responses, key) ? responses[key] : undefined
  return isObject(response) && (response['action'] === 'decline' || response['action'] === 'cancel')
}
