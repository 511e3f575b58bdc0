import type { AccountEvent } from '../domain.ts'

/** Whose events a stream tells, and how. */
export interface StreamSubject {
  readonly userIdentifier: string
  /** Ends with this instance, where it is an instance's stream. */
  readonly instanceId?: string | undefined
  /** Whoever opened it may not listen any longer, in milliseconds since the epoch. Default: nobody minds. */
  readonly endsAt?: number | undefined
  /** Streams of one user with the same key get the same text. */
  readonly renderKey: string
  /** What to send for these events, already formatted. May leave some out. */
  readonly render: (events: readonly AccountEvent[]) => Promise<readonly string[]>
}

export interface LiveStreamOptions {
  readonly subject: StreamSubject
  /** The client takes more, or may not have been told what it should. */
  readonly onPull: () => void
  /** It has ended, by whoever ended it. Called once. */
  readonly onEnd: () => void
}

const encoder = new TextEncoder()
const SUBSCRIBED = encoder.encode(': subscribed\n\n')
const KEEP_ALIVE = encoder.encode(': keep-alive\n\n')

/** One open stream. There may be ten thousand of them, so it holds little: no timer, no listener, no text. */
export class LiveStream {
  readonly body: ReadableStream<Uint8Array>
  readonly subject: StreamSubject
  /** The last event that it has told, or that was none of its own. */
  position = Number.POSITIVE_INFINITY
  readonly #onPull: () => void
  readonly #onEnd: () => void
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined
  #isSilent = false

  constructor({ subject, onPull, onEnd }: LiveStreamOptions) {
    this.subject = subject
    this.#onPull = onPull
    this.#onEnd = onEnd
    this.body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller
      },
      pull: onPull,
      cancel: () => this.#close(),
    })
    this.#controller?.enqueue(SUBSCRIBED)
  }

  /** Whether the client has taken what it was sent. A slow one costs no memory: it is told more when it asks for more. */
  get isReady(): boolean {
    return (this.#controller?.desiredSize ?? 0) > 0
  }

  send(chunk: Uint8Array): void {
    this.#controller?.enqueue(chunk)
    this.#isSilent = false
  }

  /** Says that it lives, unless it has said something since it was asked last. */
  keepAlive(): void {
    if (this.#isSilent && this.isReady) this.#controller?.enqueue(KEEP_ALIVE)
    this.#isSilent = true
    this.#onPull()
  }

  /** Ends the answer, after what has been sent. */
  end(): void {
    this.#controller?.close()
    this.#close()
  }

  #close(): void {
    if (this.#controller === undefined) return
    this.#controller = undefined
    this.#onEnd()
  }
}
