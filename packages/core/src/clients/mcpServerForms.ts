import type { Fetch } from '../http/httpClient.ts'

/**
 * What each client takes as it is. The first five are files: such a client lives longer than any token and cannot renew
 * one, so the pre-authenticated URL is in it. The others are given a session token, which ends within the hour: those that
 * take a `fetch` get one that adds it and renews it, and hold no secret; LangChain takes headers, and has it in plain sight.
 */
export interface McpServerForms {
  /** `.mcp.json` of Claude Code (https://code.claude.com/docs/en/mcp). Claude's other apps take the URL alone: `mcpUrl`. */
  readonly claude: { readonly mcpServers: Named<{ readonly type: 'http'; readonly url: string }> }
  /** `mcp.json` of VS Code (https://code.visualstudio.com/docs/agents/reference/mcp-configuration). */
  readonly vscode: { readonly servers: Named<{ readonly type: 'http'; readonly url: string }> }
  /** `mcp.json` of Cursor (https://cursor.com/docs/mcp). */
  readonly cursor: { readonly mcpServers: Named<{ readonly url: string }> }
  /** `mcp_config.json` of Windsurf (https://docs.windsurf.com/windsurf/cascade/mcp). */
  readonly windsurf: { readonly mcpServers: Named<{ readonly serverUrl: string }> }
  /** The file for `--config` of the MCP Inspector (https://github.com/modelcontextprotocol/inspector). */
  readonly inspector: { readonly mcpServers: Named<{ readonly type: 'streamable-http'; readonly url: string }> }
  /** `new MultiServerMCPClient(…)` of `@langchain/mcp-adapters`. */
  readonly langchain: {
    mcpServers: Record<string, { transport: 'http'; url: string; headers: Record<string, string> }>
  }
  /** `createMCPClient(…)` of `@ai-sdk/mcp` (https://ai-sdk.dev/docs/ai-sdk-core/mcp-tools). */
  readonly 'ai-sdk': { transport: { type: 'http'; url: string; fetch: typeof fetch } }
  /** `new MCPClient(…)` of `@mastra/mcp` (https://mastra.ai/reference/tools/mcp-client). */
  readonly mastra: { id: string; servers: Record<string, { url: URL; fetch: Fetch }> }
  /** `new MCPServerStreamableHttp(…)` of `@openai/agents` (https://openai.github.io/openai-agents-js/guides/mcp). */
  readonly 'openai-agents': { name: string; url: string; fetch: typeof fetch }
}

type Named<Server> = Readonly<Record<string, Server>>

export type McpClient = keyof McpServerForms

/** The clients that read a file. */
export type McpFileClient = 'claude' | 'vscode' | 'cursor' | 'windsurf' | 'inspector'

/** How a client may reach one user's endpoint. */
export interface McpAccess {
  /** What the client calls the server. */
  readonly name: string
  /** The pre-authenticated URL. */
  readonly secretUrl: () => Promise<string>
  /** The URL, and the session token for it. */
  readonly withToken: () => Promise<{
    readonly url: string
    readonly headers: Record<string, string>
    readonly fetch: Fetch
  }>
}

type Forms = { readonly [Client in McpClient]: (access: McpAccess) => Promise<McpServerForms[Client]> }

const FORMS: Forms = {
  claude: async ({ name, secretUrl }) => ({ mcpServers: { [name]: { type: 'http', url: await secretUrl() } } }),
  vscode: async ({ name, secretUrl }) => ({ servers: { [name]: { type: 'http', url: await secretUrl() } } }),
  cursor: async ({ name, secretUrl }) => ({ mcpServers: { [name]: { url: await secretUrl() } } }),
  windsurf: async ({ name, secretUrl }) => ({ mcpServers: { [name]: { serverUrl: await secretUrl() } } }),
  inspector: async ({ name, secretUrl }) => ({
    mcpServers: { [name]: { type: 'streamable-http', url: await secretUrl() } },
  }),
  async langchain({ name, withToken }) {
    const { url, headers } = await withToken()
    return { mcpServers: { [name]: { transport: 'http', url, headers } } }
  },
  async 'ai-sdk'({ withToken }) {
    const { url, fetch } = await withToken()
    return { transport: { type: 'http', url, fetch: asGlobal(fetch) } }
  },
  async mastra({ name, withToken }) {
    const { url, fetch } = await withToken()
    // By itself, Mastra tells no client from another that differs in nothing but `fetch`, and refuses the second user's.
    return { id: crypto.randomUUID(), servers: { [name]: { url: new URL(url), fetch } } }
  },
  async 'openai-agents'({ name, withToken }) {
    const { url, fetch } = await withToken()
    return { name, url, fetch: asGlobal(fetch) }
  },
}

/** @throws {TypeError} when there is no such client. */
export async function mcpServerForm<Client extends McpClient>(
  client: Client,
  access: McpAccess,
): Promise<McpServerForms[Client]> {
  if (Object.hasOwn(FORMS, client)) return await FORMS[client](access)
  throw new TypeError(`no configuration is known for the MCP client ${JSON.stringify(client)}`)
}

/** As the global `fetch` is typed: MCP clients send no `Request`. */
function asGlobal(send: Fetch): typeof fetch {
  return async (input, init) => await send(input instanceof Request ? input.url : input, init)
}
