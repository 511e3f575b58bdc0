/** What a model is given of a call, whatever its framework makes of it. */
export interface Outcome {
  readonly isError: boolean
  /** All texts of the result, or the message of what was thrown. */
  readonly text: string
  /** Images, in base64. */
  readonly images: readonly string[]
}

export interface CallOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: number) => void
}

/** One agent, connected to an MCP server by a client as it is published. */
export interface AgentClient extends AsyncDisposable {
  /** Names of all tools, as the agent would use them. */
  list(): Promise<readonly string[]>
  call(tool: string, args?: Record<string, unknown>, options?: CallOptions): Promise<Outcome>
  /** Undefined where the client has nothing to do with prompts. */
  readonly prompts?: {
    /** Names of all prompts. */
    list(): Promise<readonly string[]>
    /** Its messages, as JSON. */
    get(name: string, args: Record<string, string>): Promise<string>
  }
  /** Undefined where the client has nothing to do with resources. */
  readonly resources?: {
    /** URIs of all resources. */
    list(): Promise<readonly string[]>
    /** Its contents, as JSON. */
    read(uri: string): Promise<string>
  }
}

/** The pre-authenticated URL, or the session token. */
export type DoorKind = 'url' | 'token'

/** Where an agent connects, and what it has to send with each request. */
export interface Door {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

export interface AgentClientKind {
  readonly name: string
  /** Which of these the client lets its app do. */
  readonly can: {
    readonly progress: boolean
    readonly signal: boolean
    readonly prompts: boolean
    readonly resources: boolean
  }
  /** Where it connects, each in a test of its own. Default: at both. */
  readonly doors?: readonly DoorKind[]
  readonly connect: (door: Door) => Promise<AgentClient>
}

interface Content {
  readonly type: string
  readonly text?: unknown
  readonly data?: unknown
}

/** The outcome of a `tools/call` result. */
export function outcomeOf(result: Readonly<Record<string, unknown>>): Outcome {
  const content = contentOf(result['content'])
  return {
    isError: result['isError'] === true,
    text: content.map(({ text }) => (typeof text === 'string' ? text : '')).join('\n'),
    images: content.flatMap(({ type, data }) => (type === 'image' && typeof data === 'string' ? [data] : [])),
  }
}

/** The outcome of what a client throws. */
export function failureOf(error: unknown): Outcome {
  return { isError: true, text: error instanceof Error ? error.message : String(error), images: [] }
}

function contentOf(content: unknown): readonly Content[] {
  return Array.isArray(content) ? content.filter(isContent) : []
}

function isContent(item: unknown): item is Content {
  return typeof item === 'object' && item !== null && 'type' in item && typeof item.type === 'string'
}
