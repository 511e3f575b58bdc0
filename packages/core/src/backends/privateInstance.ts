import type { McpInstance } from './backend.ts'

/** An `McpInstance` whose URL does not show when it is printed. */
export class PrivateInstance implements McpInstance {
  readonly id: string
  readonly userIdentifier: string
  readonly configName: string
  readonly configId: string | undefined
  readonly mcpServerUrl: string | undefined
  readonly headers: McpInstance['headers']
  readonly #url: string | undefined

  constructor({ url, ...shown }: McpInstance) {
    this.id = shown.id
    this.userIdentifier = shown.userIdentifier
    this.configName = shown.configName
    this.configId = shown.configId
    this.mcpServerUrl = shown.mcpServerUrl
    this.headers = shown.headers
    this.#url = url
  }

  get url(): string | undefined {
    return this.#url
  }
}
