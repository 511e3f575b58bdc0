/** Upstream MCP servers: the official SDKs, in both eras, with the same tools. */
import { McpServer as LegacyMcpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import * as z from 'zod'
import { listen, type Listener } from './listen.ts'

export interface Seen {
  readonly method: string
  readonly headers: Record<string, string>
  readonly body: string
}

export interface TestUpstream extends AsyncDisposable {
  readonly url: string
  /** Every request that arrived, in order. */
  readonly seen: Seen[]
  /** Names of tools that ran. */
  readonly executed: string[]
  /** Settles when a running `wait` tool was cancelled. */
  readonly cancelled: Promise<void>
  /** Lets a running `wait` tool finish. */
  release(): void
  /** Answers instead of the server, while it gives something. */
  intercept: ((request: Request, body: string) => Response | Promise<Response> | undefined) | undefined
  /** Forgets every session, as a restart does. */
  forgetSessions(): void
}

/** How one tool runs, whatever SDK calls it. */
interface Tools {
  echo(text: string): { content: { type: 'text'; text: string }[]; structuredContent: { echoed: string } }
  wait(signal: AbortSignal): Promise<{ content: { type: 'text'; text: string }[] }>
  steps(label: string, notify: (step: number) => Promise<void>): Promise<{ content: { type: 'text'; text: string }[] }>
}

function createTools(executed: string[]) {
  const cancelled = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  const tools: Tools = {
    echo(text) {
      executed.push('echo')
      return { content: [{ type: 'text', text }], structuredContent: { echoed: text } }
    },
    async wait(signal) {
      executed.push('wait')
      const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
      await Promise.race([released.promise, aborted.then(cancelled.resolve)])
      return { content: [{ type: 'text', text: 'released' }] }
    },
    async steps(label, notify) {
      executed.push('steps')
      for (const step of [1, 2, 3]) await notify(step)
      return { content: [{ type: 'text', text: label }] }
    },
  }
  return { tools, cancelled: cancelled.promise, release: released.resolve }
}

/** SDK v2; `legacy: 'reject'` makes it a server of 2026-07-28 only. */
export async function startModernUpstream(legacy: 'stateless' | 'reject' = 'reject'): Promise<TestUpstream> {
  const executed: string[] = []
  const { tools, cancelled, release } = createTools(executed)
  const handler = createMcpHandler(
    () => {
      const server = new McpServer({ name: 'modern', version: '1.0.0' })
      const text = z.object({ text: z.string() })
      const outputSchema = z.object({ echoed: z.string() })
      server.registerTool('echo', { description: 'Says it again', inputSchema: text, outputSchema }, (args) =>
        tools.echo(args.text),
      )
      server.registerTool('wait', { inputSchema: z.object({}) }, (_args, context) => tools.wait(context.mcpReq.signal))
      server.registerTool('steps', { inputSchema: z.object({ label: z.string() }) }, ({ label }, context) =>
        tools.steps(label, async (progress) => {
          const progressToken = context.mcpReq['_meta']?.progressToken
          if (progressToken === undefined) return
          const params = { progressToken, progress, total: 3, message: `${label} ${progress}` }
          await context.mcpReq.notify({ method: 'notifications/progress', params })
        }),
      )
      return server
    },
    { legacy },
  )
  return record(handler.fetch, { executed, cancelled, release, forgetSessions: () => undefined })
}

/** SDK v1: 2025-11-25 and older, and it insists on sessions. */
export async function startLegacyUpstream(): Promise<TestUpstream> {
  const executed: string[] = []
  const { tools, cancelled, release } = createTools(executed)
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>()

  function createServer(): LegacyMcpServer {
    const server = new LegacyMcpServer({ name: 'legacy', version: '1.0.0' })
    const text = { text: z.string() }
    server.registerTool(
      'echo',
      { description: 'Says it again', inputSchema: text, outputSchema: { echoed: z.string() } },
      (args) => tools.echo(args.text),
    )
    server.registerTool('wait', {}, (extra) => tools.wait(extra.signal))
    server.registerTool('steps', { inputSchema: { label: z.string() } }, ({ label }, extra) =>
      tools.steps(label, async (progress) => {
        const progressToken = extra['_meta']?.progressToken
        if (progressToken === undefined) return
        const params = { progressToken, progress, total: 3, message: `${label} ${progress}` }
        await extra.sendNotification({ method: 'notifications/progress', params })
      }),
    )
    return server
  }

  async function fetch(request: Request): Promise<Response> {
    const id = request.headers.get('mcp-session-id')
    const known = id === null ? undefined : sessions.get(id)
    if (known !== undefined) return known.handleRequest(request)
    if (id !== null) return new Response('Session not found', { status: 404 })
    const transport: WebStandardStreamableHTTPServerTransport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      onsessioninitialized: (sessionId) => void sessions.set(sessionId, transport),
    })
    await createServer().connect(transport)
    return transport.handleRequest(request)
  }

  return record(fetch, { executed, cancelled, release, forgetSessions: () => sessions.clear() })
}

/** Answers as the test says, message by message. */
export function startRawUpstream(
  answer: (message: Record<string, unknown>, request: Request, body: string) => Response | Promise<Response>,
): Promise<TestUpstream> {
  const rest = { executed: [], cancelled: new Promise<void>(() => undefined), release: () => undefined }
  return record(
    async (request) => {
      const body = await request.text()
      return answer(JSON.parse(body), request, body)
    },
    { ...rest, forgetSessions: () => undefined },
  )
}

type Rest = Pick<TestUpstream, 'executed' | 'cancelled' | 'release' | 'forgetSessions'>

async function record(fetch: (request: Request) => Response | Promise<Response>, rest: Rest): Promise<TestUpstream> {
  const seen: Seen[] = []
  const listener: Listener = await listen(async (request) => {
    const body = request.method === 'POST' ? await request.clone().text() : ''
    seen.push({ method: request.method, headers: Object.fromEntries(request.headers), body })
    return upstream.intercept?.(request, body) ?? fetch(request)
  })
  const upstream: TestUpstream = {
    ...rest,
    url: `${listener.origin}/mcp`,
    seen,
    intercept: undefined,
    [Symbol.asyncDispose]: () => listener.close(),
  }
  return upstream
}

export function jsonResponse(value: unknown, status = 200): Response {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return new Response(text, { status, headers: { 'content-type': 'application/json' } })
}

/** A raw upstream of 2026-07-28 that lists these tools (as JSON text) and answers calls with `call`. */
export function startScriptedUpstream(
  tools: string,
  call: (body: string, request: Request) => Response | Promise<Response> = () => jsonResponse({}, 500),
  listMembers = '"ttlMs":60000,"cacheScope":"public"',
): Promise<TestUpstream> {
  return startRawUpstream((message, request, body) => {
    const id = JSON.stringify(message['id'])
    if (message['method'] === 'server/discover') {
      const result =
        '{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"public"}'
      return jsonResponse(`{"jsonrpc":"2.0","id":${id},"result":${result}}`)
    }
    if (message['method'] === 'tools/list') {
      return jsonResponse(
        `{"jsonrpc":"2.0","id":${id},"result":{"resultType":"complete",${listMembers},"tools":${tools}}}`,
      )
    }
    return call(body, request)
  })
}
