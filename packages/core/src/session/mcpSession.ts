import {
  Client,
  isSpecType,
  UnsupportedProtocolVersionError,
  type CallToolResult,
  type ClientOptions,
  type DiscoverResult,
  type InputRequiredResult,
  type ListToolsResult,
  type RequestOptions,
  type Tool,
} from '@modelcontextprotocol/client'
import type { Fetch } from '../http/httpClient.ts'
import { SingleFlight } from '../timing/singleFlight.ts'
import { MAX_TIMER_MS, type Timing } from '../timing/timing.ts'
import type { Credential } from './credential.ts'
import { createMcpFetch } from './mcpFetch.ts'
import { McpTransport } from './mcpTransport.ts'
import { SentSecrets } from './sentSecrets.ts'
import { httpStatus } from './translateMcpError.ts'
import { noteUnsent } from './unsent.ts'

export interface McpSessionOptions {
  readonly credential: Credential
  readonly fetch: Fetch
  readonly timing: Timing
  /** What the endpoint answers to `server/discover`, if that is known for this very user. */
  readonly discoverResult?: Readonly<Record<string, unknown>> | undefined
  /** Milliseconds for connecting and for listing. */
  readonly requestTimeoutMs: number
}

export interface SessionCallOptions {
  readonly signal: AbortSignal
  /** Milliseconds that the server has to answer; `signal` bounds connecting, too. */
  readonly timeoutMs: number
}

/** A list of tools, and until when it may be used. */
export interface ToolList {
  readonly tools: readonly Tool[]
  readonly meta: Readonly<Record<string, unknown>> | undefined
  readonly expiresAt: number
}

/** Asks the server, with these options among the request's own. */
type Ask<T> = (client: Client, options: Pick<RequestOptions, 'onresumptiontoken'>) => Promise<T>

interface Connection {
  readonly client: Client
  readonly transport: McpTransport
}

const DEFAULT_LIST_TTL_MS = 60_000
const MAX_LIST_TTL_MS = 300_000
const TERMINATE_TIMEOUT_MS = 1_000

/**
 * One user's MCP client for one endpoint and credential, connected when it is first needed, with the list of tools kept
 * for as long as the endpoint allows. Errors are those of the MCP SDK: whoever calls translates them.
 */
export class McpSession implements AsyncDisposable {
  readonly #options: McpSessionOptions
  readonly #connecting = new SingleFlight<Connection>()
  readonly #listing = new SingleFlight<ToolList>()
  readonly #secrets: SentSecrets
  #discovered: DiscoverResult | undefined
  #connection: Connection | undefined
  #list: ToolList | undefined
  #listVersion = 0

  constructor(options: McpSessionOptions) {
    this.#options = options
    this.#secrets = new SentSecrets(options.credential.url)
    if (isSpecType.DiscoverResult(options.discoverResult)) this.#discovered = options.discoverResult
  }

  /** The list of tools if it may still be used. */
  get freshTools(): ToolList | undefined {
    return this.#list && this.#options.timing.now() < this.#list.expiresAt ? this.#list : undefined
  }

  /** The list of tools: the kept one, or a new one, asked for once by all who want it. */
  async listTools(signal?: AbortSignal): Promise<ToolList> {
    return this.freshTools ?? (await this.#listing.run('list', signal, (shared) => this.#fetchTools(shared)))
  }

  /** Makes the next `listTools` ask. */
  forgetTools(): void {
    this.#list = undefined
    this.#listVersion += 1
  }

  /** Sends the call once. */
  callTool(
    tool: Pick<Tool, 'name' | 'inputSchema'>,
    args: Readonly<Record<string, unknown>>,
    { signal, timeoutMs }: SessionCallOptions,
  ): Promise<CallToolResult | InputRequiredResult> {
    return this.#withClient(signal, (client, options) =>
      client.callTool(
        { name: tool.name, arguments: args },
        {
          ...options,
          allowInputRequired: true,
          timeout: Math.min(timeoutMs, MAX_TIMER_MS),
          // Given so that the SDK does not look for it, compile its output schema, or list and call again.
          toolDefinition: { name: tool.name, inputSchema: tool.inputSchema },
          signal,
        },
      ),
    )
  }

  /** Closes the connection, and the server's session where there is one. Idempotent; it may be used again. */
  async close(): Promise<void> {
    const connection = this.#connection
    this.#connection = undefined
    this.forgetTools()
    if (!connection) return
    if (connection.transport.sessionId) await terminate(connection.transport)
    await connection.client.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #fetchTools(signal: AbortSignal): Promise<ToolList> {
    const version = this.#listVersion
    const options = { signal, timeout: this.#options.requestTimeoutMs, cacheMode: 'bypass' } as const
    const result = await this.#withClient(signal, (client, ours) =>
      client.listTools(undefined, { ...options, ...ours }),
    )
    const { tools, _meta: meta } = result
    const list = { tools, meta, expiresAt: this.#options.timing.now() + listTtlMs(result) }
    if (version === this.#listVersion) this.#list = list
    return list
  }

  /** Fails, if it does, before what it is wanted for was sent. */
  async #connect(signal: AbortSignal | undefined): Promise<Connection> {
    if (this.#connection) return this.#connection
    try {
      return await this.#connecting.run('connect', signal, (shared) => this.#open(shared))
    } catch (error) {
      noteUnsent(error)
      throw error
    }
  }

  async #open(signal: AbortSignal): Promise<Connection> {
    const { credential, fetch, requestTimeoutMs } = this.#options
    const transport: McpTransport = new McpTransport(new URL(credential.url), {
      fetch: createMcpFetch(fetch, credential, this.#secrets, (id, hasLeft) => transport.noteLeft(id, hasLeft)),
    })
    const client = new Client(
      { name: 'latchkey', version: '0.0.0' },
      {
        capabilities: { elicitation: { url: {} } },
        versionNegotiation: { mode: 'auto' },
        // A schema of somebody else's is never compiled (a hostile pattern blocks the process).
        jsonSchemaValidator: noValidation,
      },
    )
    client.setNotificationHandler('notifications/tools/list_changed', () => this.forgetTools())
    const prior = this.#discovered && { prior: { kind: 'modern' as const, discover: this.#discovered } }
    await client.connect(transport, { signal, timeout: requestTimeoutMs, ...prior })
    this.#discovered = client.getDiscoverResult() ?? this.#discovered
    this.#connection = { client, transport }
    return this.#connection
  }

  async #withClient<T>(signal: AbortSignal | undefined, ask: Ask<T>): Promise<T> {
    try {
      return await this.#onConnection(signal, ask)
    } catch (error) {
      this.#secrets.hideInCauses(error)
      throw error
    }
  }

  /** Connects where needed; once more where the request was refused because the connection is no longer valid. */
  async #onConnection<T>(signal: AbortSignal | undefined, ask: Ask<T>): Promise<T> {
    const connection = await this.#connect(signal)
    try {
      return await askOn(connection, ask)
    } catch (error) {
      if (!isStale(connection, error)) throw error
      if (this.#connection === connection) this.#forgetConnection()
      return await askOn(await this.#connect(signal), ask)
    }
  }

  /** It is not closed: other requests may still be under way on it, and at rest it holds nothing. */
  #forgetConnection(): void {
    this.#connection = undefined
    this.#discovered = undefined
  }
}

function askOn<T>({ client, transport }: Connection, ask: Ask<T>): Promise<T> {
  return transport.hangingUp((options) => ask(client, options))
}

/**
 * Both refusals say that the request was not executed: 404 to a session id (MCP 2025-11-25, transports, session
 * management), and a protocol version that is not spoken (MCP 2026-07-28, -32022).
 */
function isStale({ transport }: Connection, error: unknown): boolean {
  return (
    error instanceof UnsupportedProtocolVersionError || (transport.sessionId !== undefined && httpStatus(error) === 404)
  )
}

/** A schema of somebody else's is never compiled: a hostile pattern blocks the process. */
const noValidation: NonNullable<ClientOptions['jsonSchemaValidator']> = {
  getValidator: () => (input) => ({
    valid: true,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- whoever asked for a type gets what there is
    data: input as never,
    errorMessage: undefined,
  }),
}

/** What the list allows, in milliseconds, and no more than five minutes (MCP 2026-07-28, caching). */
function listTtlMs(result: ListToolsResult): number {
  const ttlMs: unknown = result['ttlMs']
  return Math.min(MAX_LIST_TTL_MS, Math.max(0, typeof ttlMs === 'number' ? ttlMs : DEFAULT_LIST_TTL_MS))
}

/** Polite, and given up soon: the server ends sessions by itself, too. */
async function terminate(transport: McpTransport): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const givenUp = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, TERMINATE_TIMEOUT_MS)
  })
  await Promise.race([transport.terminateSession().catch(() => {}), givenUp])
  clearTimeout(timer)
}
