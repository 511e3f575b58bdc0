import { GatewayError } from '../errors.ts'
import type { Accounts, RequestLog } from '../services.ts'
import { legacyMessage, legacyHeaders, type ClientInfo, type Link } from '../upstream/link.ts'
import type { PostTarget } from '../upstream/post.ts'
import { INVALID_PARAMS, METHOD_NOT_FOUND, UPSTREAM_FAILED } from '../upstream/protocol.ts'
import type { MirroredArgument } from '../upstream/toolList.ts'
import type { Upstreams } from '../upstream/upstreams.ts'
import { allowedConnections, findTool, type AllowedConnection, type AllowedTool } from './allowedTools.ts'
import type { Principal } from './authenticate.ts'
import { translateCall, type CallTranslation } from './callTranslation.ts'
import { consentAnswer } from './consentAnswer.ts'
import type { InboundRequest } from './inbound.ts'
import { paramHeadersOf } from './mirroredHeaders.ts'
import { relayAnswer } from './relayAnswer.ts'
import { errorReply, jsonReply } from './replies.ts'

export interface CallToolDeps {
  readonly accounts: Accounts
  readonly upstreams: Upstreams
  readonly clientInfo: ClientInfo
}

export interface ToolCall {
  readonly principal: Principal
  readonly call: InboundRequest
  readonly headers: Headers
  readonly legacyCanOpenUrls: boolean
  readonly log: RequestLog
  /** Ends the call at the upstream. */
  readonly abort: AbortController
  /** Told whose credential the call goes out with. */
  readonly onAccount: (accountId: string) => void
  /** The call is over, however it ended. */
  readonly onEnd: () => void
}

/** Longer names are nobody's; the answer need not carry them. */
const MAX_ECHO = 256

/** Routes one `tools/call`. Whether the tool is allowed is decided here and now, whatever was listed before (T50). */
export async function callTool(deps: CallToolDeps, toolCall: ToolCall): Promise<Response> {
  const { principal, call } = toolCall
  const { name } = call.params
  if (typeof name !== 'string') return refuse(toolCall, 'Invalid params: the name of the tool is missing')
  const connections = await allowedConnections(deps.accounts, principal)
  const tool = await findTool(connections, principal, name, deps.upstreams)
  if (tool === undefined) return refuse(toolCall, `Unknown tool: ${name.slice(0, MAX_ECHO)}`)
  toolCall.log.set('connection', tool.from.connection.name)
  toolCall.onAccount(tool.from.account.id)
  if (tool.from.account.status !== 'ACTIVE') return askForConsent(deps, toolCall, tool.from, name)
  try {
    return await relayCall(deps, toolCall, tool)
  } catch (error) {
    toolCall.abort.signal.throwIfAborted()
    if (!(error instanceof GatewayError)) throw error
    return error.code === 'consent_required'
      ? askForConsent(deps, toolCall, tool.from, name)
      : failed(toolCall, tool.from, error)
  }
}

async function relayCall(deps: CallToolDeps, toolCall: ToolCall, tool: AllowedTool): Promise<Response> {
  const { upstreams, clientInfo } = deps
  const { call, abort } = toolCall
  const { from, upstreamName } = tool
  const details = {
    upstreamName,
    clientInfo,
    paramHeaders: call.era === 'modern' ? paramHeadersOf(toolCall.headers) : {},
    mirrored: call.era === 'legacy' ? await mirroredOf(upstreams, tool) : [],
  }
  let last: { link: Link; target: PostTarget; translation: CallTranslation } | undefined
  let isOver = false
  const end = (): void => {
    isOver = true
    toolCall.onEnd()
  }
  abort.signal.addEventListener('abort', () => {
    // In the 2025 era, going away does not cancel (transports, "Sending Messages").
    if (!isOver && last?.link.era === 'legacy') {
      const params = { requestId: last.translation.upstreamId, reason: 'The client gave the call up' }
      const message = { jsonrpc: '2.0', method: 'notifications/cancelled', params }
      upstreams.tell(last.target, legacyMessage(last.link, message))
    }
  })
  const build = (link: Link, target: PostTarget): CallTranslation['outgoing'] => {
    const translation = translateCall(call, link, details)
    last = { link, target, translation }
    return translation.outgoing
  }
  const response = await upstreams.send(from, build, abort.signal)
  if (last === undefined) throw new TypeError('an answer came to a call that was not sent')
  const { link, target, translation } = last
  toolCall.log.set('upstreamEra', link.era)
  const relayed = relayAnswer(response, {
    connection: from.connection,
    clientEra: call.era,
    clientId: call.id,
    signal: abort.signal,
    toClient: (text) => translation.toClient(text),
    onRequest: (id, method) => answerUpstream(upstreams, link, target, id, method),
    onEnd(how) {
      if (how === 'aborted') abort.abort(new Error('the client has gone'))
      toolCall.log.set('outcome', how)
      end()
    },
  })
  if (response.status >= 400 && response.status < 500) void relayed.catch(() => upstreams.doubtEra(from.account.id))
  return relayed
}

/** What an upstream of the 2025 era asks in the middle of a call. We are alive; all else is not relayed yet. */
function answerUpstream(upstreams: Upstreams, link: Link, target: PostTarget, id: string, method: string): void {
  if (link.era !== 'legacy') return
  const refusal = { code: METHOD_NOT_FOUND, message: 'The gateway does not relay requests of a server to its client' }
  const outcome = method === 'ping' ? '"result":{}' : `"error":${JSON.stringify(refusal)}`
  upstreams.tell(target, { body: `{"jsonrpc":"2.0","id":${id},${outcome}}`, headers: legacyHeaders(link) })
}

/** A client of the 2025 era does not know which arguments are repeated in headers; the upstream's list does. */
async function mirroredOf(
  upstreams: Upstreams,
  { from, upstreamName }: AllowedTool,
): Promise<readonly MirroredArgument[]> {
  try {
    const tools = upstreams.knownTools(from) ?? (await upstreams.tools(from))
    return tools.find(({ name }) => name === upstreamName)?.mirrored ?? []
  } catch {
    return []
  }
}

async function askForConsent(
  { accounts }: CallToolDeps,
  { call, legacyCanOpenUrls, log, onEnd }: ToolCall,
  from: AllowedConnection,
  toolName: string,
): Promise<Response> {
  onEnd()
  log.set('outcome', 'authorization_required')
  return jsonReply(await consentAnswer(accounts, { call, from, toolName, legacyCanOpenUrls }))
}

function failed({ call, log, onEnd }: ToolCall, { connection }: AllowedConnection, error: GatewayError): Response {
  onEnd()
  log.set('outcome', error.code)
  const data = { connection: connection.name }
  return errorReply(call.id, { code: UPSTREAM_FAILED, message: error.message, data }, 200)
}

function refuse({ call, onEnd }: ToolCall, message: string): Response {
  onEnd()
  return errorReply(call.id, { code: INVALID_PARAMS, message }, 200)
}
