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
  #whole: PromiseWithResolvers<Uint8Array> | undefined
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
    if (this.#whole === undefined && this.#bytes.size >= HIGH_WATER_MARK) this.#control.pause()
  }

  end(): void {
    this.#state = 'ended'
    this.#whole?.resolve(this.#bytes.takeAll())
    // Whoever keeps this keeps the bytes no longer than whoever asked for them.
    this.#whole = undefined
    if (this.#bytes.size === 0) this.#stream?.close()
  }

  fail(reason: unknown): void {
    if (this.#state !== 'open') return
    this.#state = 'failed'
    this.#failure = reason
    this.#whole?.reject(reason)
    this.#stream?.error(reason)
    this.#bytes.take()
  }

  /** All of it. */
  async bytes(): Promise<Uint8Array> {
    if (this.#state === 'failed') throw this.#failure
    if (this.#state === 'ended') return this.#bytes.takeAll()
    this.#whole = Promise.withResolvers<Uint8Array>()
    this.#control.resume()
    return await this.#whole.promise
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
}
