import { isJSONRPCRequest, StreamableHTTPClientTransport, type RequestOptions } from '@modelcontextprotocol/client'

type Send = StreamableHTTPClientTransport['send']

/** What the SDK hands on from the options of a request, as it is, to where the request is sent. */
type Mark = NonNullable<RequestOptions['onresumptiontoken']>

/**
 * Hangs up on a request that was given up. The SDK does so from MCP 2026-07-28 on; on an older connection it only tells the
 * server, and an answer that never comes would keep its socket for as long as the session lives.
 */
export class McpTransport extends StreamableHTTPClientTransport {
  readonly #signals = new WeakMap<Mark, AbortSignal>()

  /** @param request - Is to give these options to the one request that it makes. */
  async hangingUp<T>(request: (options: { onresumptiontoken: Mark }) => Promise<T>): Promise<T> {
    const controller = new AbortController()
    // oxlint-disable-next-line unicorn/consistent-function-scoping -- Each request has a mark of its own.
    const mark: Mark = () => {}
    this.#signals.set(mark, controller.signal)
    try {
      return await request({ onresumptiontoken: mark })
    } catch (error) {
      controller.abort()
      throw error
    }
  }

  override send(...[message, options]: Parameters<Send>): ReturnType<Send> {
    const { requestSignal, onresumptiontoken: mark } = options ?? {}
    // The notification that a request was cancelled has its mark, too, and has to arrive.
    const isRequest = !Array.isArray(message) && isJSONRPCRequest(message)
    const signal = isRequest && mark ? this.#signals.get(mark) : undefined
    return super.send(message, { ...options, requestSignal: requestSignal ?? signal })
  }
}
