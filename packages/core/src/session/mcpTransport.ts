import { isJSONRPCRequest, StreamableHTTPClientTransport, type RequestOptions } from '@modelcontextprotocol/client'
import { noteUnsent } from './unsent.ts'

type Send = StreamableHTTPClientTransport['send']

/** What the SDK hands on from the options of a request, as it is, to where the request is sent. */
type Mark = NonNullable<RequestOptions['onresumptiontoken']>

/** A request under way. */
interface Passage {
  readonly signal: AbortSignal
  hasLeft: boolean
}

/**
 * Hangs up on a request that was given up. The SDK does so from MCP 2026-07-28 on; on an older connection it only tells the
 * server, and an answer that never comes would keep its socket for as long as the session lives.
 *
 * Of one that failed before it left, it says so.
 */
export class McpTransport extends StreamableHTTPClientTransport {
  readonly #passages = new WeakMap<Mark, Passage>()
  readonly #underWay = new Map<string | number, Passage>()

  /** @param request - Is to give these options to the one request that it makes. */
  async hangingUp<T>(request: (options: { onresumptiontoken: Mark }) => Promise<T>): Promise<T> {
    const controller = new AbortController()
    // oxlint-disable-next-line unicorn/consistent-function-scoping -- Each request has a mark of its own.
    const mark: Mark = () => {}
    const passage = { signal: controller.signal, hasLeft: false }
    this.#passages.set(mark, passage)
    try {
      return await request({ onresumptiontoken: mark })
    } catch (error) {
      controller.abort()
      if (!passage.hasLeft) noteUnsent(error)
      throw error
    }
  }

  /** Whether the request with this id is out, and may be carried out. */
  noteLeft(id: string | number, hasLeft: boolean): void {
    const passage = this.#underWay.get(id)
    if (passage) passage.hasLeft = hasLeft
  }

  override async send(...[message, options]: Parameters<Send>): Promise<void> {
    const { requestSignal, onresumptiontoken: mark } = options ?? {}
    // The notification that a request was cancelled has its mark, too, and has to arrive.
    if (Array.isArray(message) || !isJSONRPCRequest(message)) return await super.send(message, options)
    const passage = mark && this.#passages.get(mark)
    if (passage) this.#underWay.set(message.id, passage)
    try {
      await super.send(message, { ...options, requestSignal: requestSignal ?? passage?.signal })
    } finally {
      this.#underWay.delete(message.id)
    }
  }
}
