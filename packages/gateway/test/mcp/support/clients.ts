import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'

const INFO = { name: 'test-client', version: '1.0.0' }

export interface ClientOptions {
  readonly headers?: Record<string, string>
  /** Declares that the client can send its user to a URL. */
  readonly canOpenUrls?: boolean
}

export interface CallOptions {
  readonly onprogress?: (progress: { message?: string | undefined }) => void
  readonly signal?: AbortSignal
}

/** What the tests need of either SDK's client. */
export interface TestClient {
  listTools(): Promise<{ tools: { name: string }[] }>
  callTool(
    params: { name: string; arguments?: Record<string, unknown> },
    options?: CallOptions,
  ): Promise<Record<string, unknown>>
  close(): Promise<void>
}

export async function connectModern(
  url: string,
  { headers = {}, canOpenUrls = false }: ClientOptions = {},
): Promise<TestClient> {
  const capabilities = canOpenUrls ? { elicitation: { url: {} } } : {}
  const client = new Client(INFO, { versionNegotiation: { mode: { pin: '2026-07-28' } }, capabilities })
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }))
  return {
    listTools: () => client.listTools(),
    callTool: (params, options = {}) => client.callTool(params, { ...options, allowInputRequired: true }),
    close: () => client.close(),
  }
}

export async function connectLegacy(
  url: string,
  { headers = {}, canOpenUrls = false }: ClientOptions = {},
): Promise<TestClient> {
  const client = new LegacyClient(INFO, { capabilities: canOpenUrls ? { elicitation: { url: {} } } : {} })
  const transport = new LegacyTransport(new URL(url), { requestInit: { headers } })
  await client.connect(transport)
  return {
    listTools: () => client.listTools(),
    callTool: (params, options = {}) => client.callTool(params, undefined, options),
    close: () => client.close(),
  }
}

let nextId = 0

/** A request of 2026-07-28 as a client writes it, with its headers. */
export function modernRequest(
  method: string,
  params: Record<string, unknown> = {},
  capabilities: Record<string, unknown> = {},
): { body: string; headers: Record<string, string> } {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': INFO,
    'io.modelcontextprotocol/clientCapabilities': capabilities,
  }
  nextId += 1
  const body = JSON.stringify({ jsonrpc: '2.0', id: nextId, method, params: { ...params, _meta: meta } })
  const headers: Record<string, string> = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': method }
  if (typeof params['name'] === 'string') headers['mcp-name'] = params['name']
  return { body, headers }
}

export function legacyRequest(method: string, params: Record<string, unknown> = {}) {
  nextId += 1
  const body = JSON.stringify({ jsonrpc: '2.0', id: nextId, method, params })
  return { body, headers: { 'mcp-protocol-version': '2025-11-25' } }
}
