import type { Dispatcher } from 'undici'

const HIGH_WATER_MARK = 64 * 1024

type Control = Pick<Dispatcher.DispatchController, 'pause' | 'resume'>

/**
 * The body of an answer between the socket and whoever reads it. What arrives before somebody reads is kept, up to the
 * high-water mark; then the socket waits.
 */
export class IncomingBody {
  readonly #control: Control
  readonly #cancel: (reason: unknown) => void
  #chunks: Uint8Array[] = []
  #size = 0
  #state: 'open' | 'ended' | 'failed' = 'open'
  #failure: unknown
  #text: PromiseWithResolvers<string> | undefined
  #stream: ReadableStreamDefaultController<Uint8Array> | undefined

  /** `cancel` ends the exchange when the reader has had enough. */
  constructor(control: Control, cancel: (reason: unknown) => void) {
    this.#control = control
    this.#cancel = cancel
  }

  push(chunk: Uint8Array): void {
    if (this.#stream !== undefined) {
      this.#stream.enqueue(chunk)
      if ((this.#stream.desiredSize ?? 0) <= 0) this.#control.pause()
      return
    }
    this.#chunks.push(chunk)
    this.#size += chunk.byteLength
    if (this.#text === undefined && this.#size >= HIGH_WATER_MARK) this.#control.pause()
  }

  end(): void {
    this.#state = 'ended'
    this.#text?.resolve(this.#decoded())
    this.#stream?.close()
  }

  fail(reason: unknown): void {
    if (this.#state !== 'open') return
    this.#state = 'failed'
    this.#failure = reason
    this.#text?.reject(reason)
    this.#stream?.error(reason)
    this.#chunks = []
  }

  async text(): Promise<string> {
    if (this.#state === 'failed') throw this.#failure
    if (this.#state === 'ended') return this.#decoded()
    this.#text = Promise.withResolvers<string>()
    this.#control.resume()
    return await this.#text.promise
  }

  stream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => this.#startStream(controller),
        pull: () => this.#control.resume(),
        cancel: (reason: unknown) => {
          this.#stream = undefined
          this.#cancel(reason ?? new Error('cancelled'))
        },
      },
      { highWaterMark: HIGH_WATER_MARK, size: (chunk) => chunk.byteLength },
    )
  }

  #startStream(controller: ReadableStreamDefaultController<Uint8Array>): void {
    if (this.#state === 'failed') return controller.error(this.#failure)
    for (const chunk of this.#chunks.splice(0)) controller.enqueue(chunk)
    if (this.#state === 'ended') return controller.close()
    this.#stream = controller
  }

  #decoded(): string {
    const [only, ...others] = this.#chunks.splice(0)
    if (only === undefined) return ''
    return UTF_8.decode(others.length === 0 ? only : Buffer.concat([only, ...others]))
  }
}

/** As `Response.text()` decodes: without a byte-order mark, and never failing. */
const UTF_8 = new TextDecoder()
