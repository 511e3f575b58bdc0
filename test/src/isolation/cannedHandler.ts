import { canaryOf } from '../fixtures/index.ts'
import type { McpHandler } from '../fixtures/upstreams/modernHandler.ts'
import type { Caller } from '../fixtures/upstreams/tool.ts'

/** An upstream that costs next to nothing, and in which everything that it says holds the canary of its user. */
export interface CannedHandler extends McpHandler {
  /** Sessions that came with the credential of somebody else, and calls that came without their user's session. */
  readonly misuses: readonly string[]
}

interface Message {
  readonly id?: unknown
  readonly method?: string
  readonly params?: { readonly name?: string; readonly uri?: string; readonly _meta?: { progressToken?: unknown } }
}

const encoder = new TextEncoder()
const SSE = { 'content-type': 'text/event-stream' }

/** Speaks one era only: 2026-07-28, or 2025-11-25 with sessions. */
export function createCannedHandler(service: string, era: 'modern' | 'legacy'): CannedHandler {
  const sessions = new Map<string, string>()
  const streams = new Map<string, Set<ReadableStreamDefaultController<Uint8Array>>>()
  const misuses: string[] = []

  /** Undefined where the session is in order. */
  function refusal(request: Request, { user }: Caller): Response | undefined {
    if (era === 'modern') return undefined
    const id = request.headers.get('mcp-session-id')
    const owner = id === null ? undefined : sessions.get(id)
    if (owner === user) return undefined
    if (owner !== undefined) misuses.push(`${service}: a session of ${owner} came with the credential of ${user}`)
    return new Response('Session not found', { status: id === null ? 400 : 404 })
  }

  function openStream(request: Request, user: string, opening: string): Response {
    const open = streams.get(user) ?? new Set()
    streams.set(user, open)
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        open.add(controller)
        controller.enqueue(encoder.encode(opening))
        request.signal.addEventListener('abort', () => void open.delete(controller))
      },
    })
    return new Response(body, { headers: SSE })
  }

  /** Tells all of the user's streams that a resource has changed, by a name that is the user's own. */
  function announce(user: string): void {
    const updated = notification('notifications/resources/updated', { uri: uriOf(service, user) })
    const changed = notification('notifications/tools/list_changed', {})
    for (const controller of streams.get(user) ?? []) {
      try {
        controller.enqueue(encoder.encode(updated + changed))
      } catch {
        streams.get(user)?.delete(controller)
      }
    }
  }

  function answer(request: Request, { id, method = '', params = {} }: Message, caller: Caller): Response {
    const { user } = caller
    if (method === 'initialize') return initialize(id, user)
    const refused = refusal(request, caller)
    if (refused !== undefined) return refused
    if (id === undefined) return new Response(null, { status: 202 })
    if (method === 'subscriptions/listen') {
      return openStream(request, user, notification('notifications/subscriptions/acknowledged', { notifications: {} }))
    }
    if (method === 'tools/call' && params.name === 'export') return exported(id, params['_meta']?.progressToken, user)
    const result = resultOf(service, method, params, caller)
    const isKnown = result !== undefined && (era === 'modern' || method !== 'server/discover')
    const outcome = isKnown ? { result } : { error: { code: -32_601, message: `Not here, ${canaryOf(service, user)}` } }
    return Response.json({ jsonrpc: '2.0', id, ...outcome })
  }

  function initialize(id: unknown, user: string): Response {
    const sessionId = crypto.randomUUID()
    sessions.set(sessionId, user)
    const serverInfo = { name: service, version: '1.0.0' }
    const result = { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo }
    return Response.json({ jsonrpc: '2.0', id, result }, { headers: { 'mcp-session-id': sessionId } })
  }

  /** Progress and a log message before the result; and whoever listens is told something. */
  function exported(id: unknown, progressToken: unknown, user: string): Response {
    announce(user)
    const canary = canaryOf(service, user)
    const progress = { progressToken, progress: 1, message: canary }
    const result = { jsonrpc: '2.0', id, result: { resultType: 'complete', ...textOf(canary) } }
    const events = [
      notification('notifications/message', { level: 'info', data: canary }),
      ...(progressToken === undefined ? [] : [notification('notifications/progress', progress)]),
      `data: ${JSON.stringify(result)}\n\n`,
    ]
    return new Response(events.join(''), { headers: SSE })
  }

  return {
    misuses,
    async fetch(request, caller) {
      if (request.method === 'GET') return refusal(request, caller) ?? openStream(request, caller.user, ': open\n\n')
      if (request.method !== 'POST') return new Response(null, { status: 405 })
      const message: Message = JSON.parse(await request.text())
      return answer(request, message, caller)
    },
    async close() {
      sessions.clear()
    },
  }
}

function notification(method: string, params: object): string {
  return `data: ${JSON.stringify({ jsonrpc: '2.0', method, params })}\n\n`
}

function textOf(text: string) {
  return { content: [{ type: 'text', text }] }
}

function uriOf(service: string, user: string): string {
  return `data://${canaryOf(service, user)}/note`
}

/** Lists are said to be public: whoever believes that shows one user's list to another. */
const LISTED = { resultType: 'complete', ttlMs: 60_000, cacheScope: 'public' }
const INPUT = { type: 'object', properties: {} }

function resultOf(service: string, method: string, params: Message['params'], { user, credentialDigest }: Caller) {
  const canary = canaryOf(service, user)
  const [name, uri] = [`note-${canary}`, uriOf(service, user)]
  switch (method) {
    case 'server/discover':
      return { ...LISTED, supportedVersions: ['2026-07-28'], capabilities: { tools: {} } }
    case 'tools/list':
      return {
        ...LISTED,
        tools: ['whoami', 'export'].map((tool) => ({ name: tool, description: canary, inputSchema: INPUT })),
      }
    case 'prompts/list':
      return { ...LISTED, prompts: [{ name, description: canary }] }
    case 'resources/list':
      return { ...LISTED, resources: [{ uri, name }] }
    case 'resources/templates/list':
      return { ...LISTED, resourceTemplates: [{ uriTemplate: `${uri}/{id}`, name }] }
    case 'prompts/get':
      return { resultType: 'complete', messages: [{ role: 'user', content: { type: 'text', text: canary } }] }
    case 'resources/read':
      return { ...LISTED, contents: [{ uri: params?.uri, text: canary }] }
    case 'tools/call':
      return { resultType: 'complete', ...textOf(JSON.stringify({ user, canary, credentialDigest })) }
    default:
      return undefined
  }
}
