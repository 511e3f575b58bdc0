import { serve as listen } from '@hono/node-server'
import { createMcpHandler, ProtocolError, ProtocolErrorCode, Server, type Tool } from '@modelcontextprotocol/server'
import { once } from 'node:events'
import { GatewayError } from '../errors.ts'
import { version } from '../version.ts'

/** The header that carries the demo's key. */
export const DEMO_HEADER = 'X-Demo-Key'

const TOOLS: Tool[] = [
  {
    name: 'say_hello',
    description: 'Greets somebody by name.',
    inputSchema: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] },
    annotations: { readOnlyHint: true },
  },
  {
    name: 'current_time',
    description: 'Tells the time.',
    inputSchema: { type: 'object', properties: {} },
    annotations: { readOnlyHint: true },
  },
]

/** A small MCP server for `latchkey dev`, so that there is something to connect: it takes any key. */
export async function startDemoServer(port: number): Promise<AsyncDisposable> {
  const handler = createMcpHandler(createServer)
  const fetch = async (request: Request): Promise<Response> => {
    if (new URL(request.url).pathname !== '/mcp') return new Response('Not found\n', { status: 404 })
    if (!request.headers.get(DEMO_HEADER)) return Response.json({ error: 'A key is missing.' }, { status: 401 })
    return await handler.fetch(request)
  }
  const server = listen({ fetch, hostname: '127.0.0.1', port })
  if (!server.listening) {
    await once(server, 'listening').catch((cause: unknown) => {
      const message = `The demo's MCP server cannot listen on 127.0.0.1:${port}. Is something else there? Change the port in the connection "demo" of the configuration.`
      throw new GatewayError('configuration', message, { cause })
    })
  }
  return {
    async [Symbol.asyncDispose]() {
      server.close()
      if ('closeAllConnections' in server) server.closeAllConnections()
      await handler.close()
    },
  }
}

function createServer(): Server {
  const server = new Server({ name: 'latchkey-demo', version }, { capabilities: { tools: {} } })
  server.setRequestHandler('tools/list', () => ({ tools: TOOLS }))
  server.setRequestHandler('tools/call', ({ params }) => ({ content: [{ type: 'text', text: answer(params) }] }))
  return server
}

function answer({ name, arguments: given }: { name: string; arguments?: Record<string, unknown> | undefined }): string {
  if (name === 'current_time') return new Date().toISOString()
  if (name === 'say_hello') return `Hello, ${typeof given?.name === 'string' ? given.name : 'whoever you are'}!`
  throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Unknown tool: ${name}`)
}
