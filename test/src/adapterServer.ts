import { EventEmitter, once } from 'node:events'

import { serve } from '@hono/node-server'
import { Server as LegacyServer } from '@modelcontextprotocol/sdk/server/index.js'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import {
  CallToolRequestSchema,
  ListToolsRequestSchema,
  UrlElicitationRequiredError,
} from '@modelcontextprotocol/sdk/types.js'
import { UNAVAILABLE_META_KEY } from '@latchkey/core/wire'
import { createMcpHandler, inputRequired, Server, type CallToolResult, type Tool } from '@modelcontextprotocol/server'

export const ERAS = ['2026-07-28', '2025-11-25'] as const
export type Era = (typeof ERAS)[number]

export const IMAGE = Buffer.from('an image').toString('base64')
export const AUDIO = Buffer.from('a sound').toString('base64')
export const PDF = Buffer.from('a document').toString('base64')
export const ARCHIVE = Buffer.from('an archive').toString('base64')

const CONSENT_MESSAGE = 'The connection "mail" must be authorized.'
const WORDS: Tool['inputSchema'] = { type: 'object', properties: { word: { type: 'string' } }, required: ['word'] }
const MAYBE_WORDS: Tool['inputSchema'] = { type: 'object', properties: { word: { type: 'string' } } }
/** One takes forever on the arguments of the test, the other is no regular expression in JavaScript. */
const PATTERNS: Tool['inputSchema'] = {
  type: 'object',
  properties: { word: { type: 'string', pattern: '^(a+)+$' }, other: { type: 'string', pattern: '(?i)yes' } },
}
/** No provider takes it as it is: a name with a `$`, and rules of the root beside its properties. */
const ODD: Tool['inputSchema'] = {
  type: 'object',
  properties: { $top: { type: 'integer' }, note: { type: 'string' }, labels: { type: 'array' } },
  anyOf: [{ required: ['$top'] }, { required: ['note'] }],
}
const NOTHING: Tool['inputSchema'] = { type: 'object' }

/** Each answers with its own name, so that a test sees which tool a name really reached. */
export const ECHO_TOOLS = ['echo', 'echo.all', 'echo all', 'echo_all', `echo_${'x'.repeat(90)}`, 'écho', '__proto__']

const TOOLS: readonly Tool[] = [
  ...ECHO_TOOLS.map((name) => ({ name, description: `Says who you are, as ${name}`, inputSchema: WORDS })),
  { name: 'patterned', description: 'Has a hostile schema', inputSchema: PATTERNS },
  { name: 'odd', description: 'Has an odd schema', inputSchema: ODD },
  { name: 'everything', description: 'Every kind of content', inputSchema: NOTHING },
  { name: 'repeated', description: 'Structured, and the same as text', inputSchema: NOTHING },
  { name: 'structured', description: 'Structured, and other words as text', inputSchema: NOTHING },
  { name: 'fail', description: 'Fails', inputSchema: NOTHING },
  { name: 'hang', description: 'Never answers', inputSchema: NOTHING },
  { name: 'consent', description: 'Needs consent', inputSchema: MAYBE_WORDS },
]

const RESULTS = new Map<string, CallToolResult>(
  Object.entries({
    everything: {
      content: [
        { type: 'text', text: 'some words' },
        { type: 'image', data: IMAGE, mimeType: 'image/png' },
        { type: 'audio', data: AUDIO, mimeType: 'audio/wav' },
        { type: 'resource', resource: { uri: 'note://1', mimeType: 'text/plain', text: 'a note' } },
        { type: 'resource', resource: { uri: 'file:///report.pdf', mimeType: 'application/pdf', blob: PDF } },
        { type: 'resource', resource: { uri: 'file:///all.zip', mimeType: 'application/zip', blob: ARCHIVE } },
        {
          type: 'resource_link',
          uri: 'mail://7',
          name: 'Offsite',
          mimeType: 'message/rfc822',
          description: 'the mail',
        },
      ],
    },
    repeated: { content: [{ type: 'text', text: '{ "mails": 3 }' }], structuredContent: { mails: 3 } },
    structured: { content: [{ type: 'text', text: 'three mails' }], structuredContent: { mails: 3 } },
    fail: { content: [{ type: 'text', text: 'the mailbox is locked' }], isError: true },
  }),
)

/** One MCP server for many users: `/<user>` with that user's token, and nothing else, is that user's endpoint. */
export interface AdapterServer {
  urlFor(user: string): string
  tokenFor(user: string): string
  /** The link that the tool `consent` asks this user to follow. */
  linkFor(user: string): string
  /** From now on, the user has consented to what `consent` does. */
  grant(user: string): void
  /** How often the user's calls of a tool were executed. */
  callCount(user: string, tool: string): number
  /** Resolves when a call of the tool `hang` has begun, and when it was cancelled. */
  hanging(user: string): Promise<unknown>
  cancelled(user: string): Promise<unknown>
  /** How many HTTP requests came. */
  requestCount(): number
  /** What the list of tools of the user `partial` says is missing: something else for every server. */
  readonly unavailable: { readonly connection: string; readonly reason: string }
  close(): Promise<void>
}

const linkFor = (user: string) => `https://consent.test/secret-link-of-${user}`

export async function startAdapterServer(era: Era): Promise<AdapterServer> {
  const events = new EventEmitter()
  const calls: string[] = []
  const granted = new Set<string>()
  const answer = answerWith({ events, calls })
  const open = era === '2026-07-28' ? modernEndpoint : legacyEndpoint
  const unavailable = { connection: `calendar-${crypto.randomUUID()}`, reason: 'unreachable' }
  const list: List = (user) =>
    user === 'partial' ? { tools: [...TOOLS], _meta: { [UNAVAILABLE_META_KEY]: [unavailable] } } : { tools: [...TOOLS] }
  let requestCount = 0
  const endpoints = new Map<string, Endpoint>()
  const endpointOf = (user: string) => {
    const endpoint =
      endpoints.get(user) ?? open({ user, list, answer, link: linkFor(user), isGranted: () => granted.has(user) })
    endpoints.set(user, endpoint)
    return endpoint
  }
  const fetch = (request: Request) => {
    requestCount += 1
    const user = decodeURIComponent(new URL(request.url).pathname.slice(1))
    const isTheirs = request.headers.get('authorization') === `Bearer token-of-${user}`
    return isTheirs ? endpointOf(user)(request) : new Response('Who are you?', { status: 401 })
  }
  const server = serve({ fetch, hostname: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The server has no port.')
  return {
    urlFor: (user) => `http://127.0.0.1:${address.port}/${encodeURIComponent(user)}`,
    tokenFor: (user) => `token-of-${user}`,
    linkFor,
    grant: (user) => void granted.add(user),
    callCount: (user, tool) => calls.filter((call) => call === `${user} ${tool}`).length,
    hanging: (user) => once(events, `hanging ${user}`),
    cancelled: (user) => once(events, `cancelled ${user}`),
    requestCount: () => requestCount,
    unavailable,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        if ('closeAllConnections' in server) server.closeAllConnections()
      }),
  }
}

type Endpoint = (request: Request) => Promise<Response>
type List = (user: string) => { tools: Tool[]; _meta?: Record<string, unknown> }
type Answer = (
  user: string,
  tool: string,
  args: Record<string, unknown>,
  signal: AbortSignal,
) => Promise<CallToolResult>

function answerWith({ events, calls }: { events: EventEmitter; calls: string[] }): Answer {
  return async (user, tool, args, signal) => {
    calls.push(`${user} ${tool}`)
    if (tool === 'hang') {
      const cancelled = once(signal, 'abort')
      events.emit(`hanging ${user}`)
      await cancelled
      events.emit(`cancelled ${user}`)
    }
    if (tool === 'odd') return { content: [{ type: 'text', text: JSON.stringify(args) }] }
    return RESULTS.get(tool) ?? { content: [{ type: 'text', text: `${tool} of ${user}: ${String(args['word'])}` }] }
  }
}

interface EndpointOptions {
  user: string
  list: List
  answer: Answer
  link: string
  isGranted: () => boolean
}

function modernEndpoint({ user, list, answer, link, isGranted }: EndpointOptions): Endpoint {
  const handler = createMcpHandler(
    () => {
      const server = new Server({ name: 'adapter-test', version: '1.0.0' }, { capabilities: { tools: {} } })
      server.setRequestHandler('tools/list', () => ({ ...list(user), ttlMs: 60_000, cacheScope: 'private' as const }))
      server.setRequestHandler('tools/call', ({ params: { name, arguments: args = {} } }, { mcpReq }) =>
        name === 'consent' && !isGranted() ? askFor(link) : answer(user, name, args, mcpReq.signal),
      )
      return server
    },
    { legacy: 'reject' },
  )
  return (request) => handler.fetch(request)
}

function askFor(url: string) {
  return inputRequired({ inputRequests: { consent: inputRequired.elicitUrl({ message: CONSENT_MESSAGE, url }) } })
}

function legacyEndpoint({ user, list, answer, link: url, isGranted }: EndpointOptions): Endpoint {
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>()
  const openSession = async () => {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      onsessioninitialized: (id) => void sessions.set(id, transport),
    })
    const server = new LegacyServer({ name: 'adapter-test', version: '1.0.0' }, { capabilities: { tools: {} } })
    server.setRequestHandler(ListToolsRequestSchema, () => list(user))
    server.setRequestHandler(CallToolRequestSchema, async ({ params: { name, arguments: args = {} } }, { signal }) => {
      if (name === 'consent' && !isGranted()) {
        throw new UrlElicitationRequiredError([
          { mode: 'url', elicitationId: crypto.randomUUID(), url, message: CONSENT_MESSAGE },
        ])
      }
      return answer(user, name, args, signal)
    })
    await server.connect(transport)
    return transport
  }
  return async (request) => {
    const id = request.headers.get('mcp-session-id')
    const transport = id === null ? await openSession() : sessions.get(id)
    return transport?.handleRequest(request) ?? new Response('No such session.', { status: 404 })
  }
}
