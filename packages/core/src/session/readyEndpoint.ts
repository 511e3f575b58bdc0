import { inspect } from 'node:util'
import type { McpInstance } from '../backends/backend.ts'
import type { ConnectionState } from '../readiness/connectionState.ts'
import type { ToolReport } from '../tools/userTools.ts'

/** What an agent connects to: a URL and the headers that go with it. Made by `latchkey.ready()`. */
export class ReadyEndpoint {
  readonly userIdentifier: string
  /** The name of the MCP config. */
  readonly config: string
  /** The connections that are not ACTIVE and were not required, with their links. */
  readonly missing: readonly ConnectionState[]
  /** The connections that are ACTIVE and whose tools cannot be listed all the same, and why. */
  readonly unavailable: ToolReport['unavailable']
  readonly #url: string
  readonly #headers: () => Promise<Record<string, string>>

  constructor(init: {
    userIdentifier: string
    config: string
    url: string
    headers: () => Promise<Record<string, string>>
    missing: readonly ConnectionState[]
    unavailable: ToolReport['unavailable']
  }) {
    this.userIdentifier = init.userIdentifier
    this.config = init.config
    this.#url = init.url
    this.#headers = init.headers
    this.missing = init.missing
    this.unavailable = init.unavailable
  }

  /** The MCP endpoint. Treat it as a secret: with a backend that has no session tokens, it is the credential. */
  get url(): string {
    return this.#url
  }

  /**
   * The headers to send, with a session token that is good for a while yet. Ask anew for each request, and send them to
   * no other URL.
   */
  headers(): Promise<Record<string, string>> {
    return this.#headers()
  }

  toJSON(): Pick<McpInstance, 'userIdentifier'> & { config: string; url: string } {
    return { userIdentifier: this.userIdentifier, config: this.config, url: '[redacted]' }
  }

  [inspect.custom](): string {
    return `ReadyEndpoint ${inspect(this.toJSON())}`
  }
}
