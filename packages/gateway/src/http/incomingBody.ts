import type { Dispatcher } from 'undici'
import { ByteCollector } from '../byteCollector.ts'

const HIGH_WATER_MARK = 64 * 1024

type Control = Pick<Dispatcher.DispatchController, 'pause' | 'resume'>

/**
 * The body of an answer between the socket and whoever reads it. What arrives before somebody reads is kept, up to the
 * high-water mark; then the socket waits. A reader of the stream gets all that has come, in one piece.
 */
export class IncomingBody {
  readonly #control: Control
  readonly #cancel: (reason: unknown) => void
  readonly #bytes = new ByteCollector()
  #state: 'open' | 'ended' | 'failed' = 'open'
  #failure: unknown
  #text: PromiseWithResolvers<string> | undefined
  #stream: ReadableStreamDefaultController<Uint8Array> | undefined
  /** A reader of the stream waits. */
  #isWanted = false

  /** `cancel` ends the exchange when the reader has had enough. */
  constructor(control: Control, cancel: (reason: unknown) => void) {
    this.#control = control
    this.#cancel = cancel
  }

  push(chunk: Uint8Array): void {
    if (this.#isWanted) {
      this.#isWanted = false
      this.#stream?.enqueue(chunk)
      return
    }
    this.#bytes.add(chunk)
    if (this.#text === undefined && this.#bytes.size >= HIGH_WATER_MARK) this.#control.pause()
  }

  end(): void {
    this.#state = 'ended'
    this.#text?.resolve(this.#decoded())
    if (this.#bytes.size === 0) this.#stream?.close()
  }

  fail(reason: unknown): void {
    if (this.#state !== 'open') return
    this.#state = 'failed'
    this.#failure = reason
    this.#text?.reject(reason)
    this.#stream?.error(reason)
    this.#bytes.take()
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
        start: (controller) => {
          if (this.#state === 'failed') controller.error(this.#failure)
          else if (this.#state === 'ended' && this.#bytes.size === 0) controller.close()
          else this.#stream = controller
        },
        pull: (controller) => this.#give(controller),
        cancel: (reason: unknown) => {
          this.#stream = undefined
          this.#isWanted = false
          this.#cancel(reason ?? new Error('cancelled'))
        },
      },
      { highWaterMark: 0 },
    )
  }

  #give(controller: ReadableStreamDefaultController<Uint8Array>): void {
    if (this.#bytes.size === 0) this.#isWanted = true
    else controller.enqueue(this.#bytes.takeAll())
    if (this.#state === 'ended') controller.close()
    else this.#control.resume()
  }

  #decoded(): string {
    return UTF_8.decode(this.#bytes.takeAll())
  }
}

/** As `Response.text()` decodes: without a byte-order mark, and never failing. */
const UTF_8 = new TextDecoder()
