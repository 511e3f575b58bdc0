import { McpServer as LegacyServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import { ElicitResultSchema } from '@modelcontextprotocol/sdk/types.js'
import { acceptedContent, createMcpHandler, inputRequired, McpServer } from '@modelcontextprotocol/server'
import * as z from 'zod'
import { listen } from '../fixtures/listen.ts'
import { createBarrier } from './barrier.ts'

export interface TalkingUpstream extends AsyncDisposable {
  readonly url: string
}

/** What the tool `talk` says of a label; so many calls say it step by step, side by side. */
const inputSchema = z.object({ label: z.string(), asks: z.boolean().default(false) })
const FORM = { type: 'object' as const, properties: { who: { type: 'string' as const } }, required: ['who'] }
const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] })

function notificationsOf(label: string, progressToken: string | number | undefined) {
  const log = { method: 'notifications/message' as const, params: { level: 'info' as const, data: `log ${label}` } }
  if (progressToken === undefined) return [log]
  const params = { progressToken, progress: 1, message: `progress ${label}` }
  return [log, { method: 'notifications/progress' as const, params }]
}

/** An upstream of 2025-11-25, which keeps a session: all clients of one account share it. */
export async function startLegacyTalker(calls: number): Promise<TalkingUpstream> {
  const barrier = createBarrier(calls)
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>()

  function createServer(): LegacyServer {
    const server = new LegacyServer({ name: 'talker', version: '1.0.0' }, { capabilities: { logging: {} } })
    server.registerTool('talk', { inputSchema }, async ({ label, asks }, extra) => {
      for (const notification of notificationsOf(label, extra['_meta']?.progressToken)) {
        await barrier.arrive()
        await extra.sendNotification(notification)
      }
      await barrier.arrive()
      if (!asks) return text(`said ${label}`)
      const params = { message: `ask ${label}`, requestedSchema: FORM }
      const { content } = await extra.sendRequest({ method: 'elicitation/create', params }, ElicitResultSchema)
      return text(`said ${label} to ${String(content?.['who'])}`)
    })
    server.registerTool('change', {}, () => {
      server.sendToolListChanged()
      return text('changed')
    })
    return server
  }

  const { origin, close } = await listen(async (request) => {
    const known = sessions.get(request.headers.get('mcp-session-id') ?? '')
    if (known !== undefined) return await known.handleRequest(request)
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      onsessioninitialized: (id) => void sessions.set(id, transport),
    })
    await createServer().connect(transport)
    return await transport.handleRequest(request)
  })
  return { url: `${origin}/mcp`, [Symbol.asyncDispose]: close }
}

/** An upstream of 2026-07-28, which has no sessions. */
export async function startModernTalker(calls: number): Promise<TalkingUpstream> {
  const barrier = createBarrier(calls)
  const handler = createMcpHandler(
    () => {
      const server = new McpServer({ name: 'talker', version: '1.0.0' }, { capabilities: { logging: {} } })
      server.registerTool('talk', { inputSchema }, async ({ label, asks }, { mcpReq }) => {
        const { _meta: meta, inputResponses } = mcpReq
        const who = acceptedContent<{ who: string }>(inputResponses, 'who')?.who
        if (who !== undefined) return text(`said ${label} to ${who}`)
        for (const notification of notificationsOf(label, meta?.progressToken)) {
          await barrier.arrive()
          await mcpReq.notify(notification)
        }
        await barrier.arrive()
        const question = inputRequired.elicit({ message: `ask ${label}`, requestedSchema: FORM })
        return asks ? inputRequired({ inputRequests: { who: question } }) : text(`said ${label}`)
      })
      return server
    },
    { legacy: 'reject' },
  )
  const { origin, close } = await listen((request) => handler.fetch(request))
  return {
    url: `${origin}/mcp`,
    async [Symbol.asyncDispose]() {
      await close()
      await handler.close()
    },
  }
}
