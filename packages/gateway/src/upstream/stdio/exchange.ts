import { AnswerTooLarge } from '../../errors.ts'
import { pauseAfter } from '../../longText.ts'
import type { GuardedAnswer } from '../../services.ts'
import { ProgramFailed } from '../failures.ts'
import { JSON_TYPE, SSE_TYPE } from '../protocol.ts'
import { sseEvent } from '../sseMessages.ts'

export interface ExchangeLimits {
  readonly signal: AbortSignal | undefined
  /** Of all messages together. */
  readonly maxBytes: number
  /** Until the first message. */
  readonly firstTimeoutMs: number
  /** Between two messages. */
  readonly silenceTimeoutMs: number
}

/**
 * One request to a program, with what it answers: as a server at a URL would, a JSON message where the answer comes
 * first, else a stream of events that ends with it.
 */
export class Exchange {
  /** Rejects with what the exchange failed with before its first message. */
  readonly answer: Promise<GuardedAnswer>
  readonly #limits: ExchangeLimits
  readonly #onGivenUp: () => void
  readonly #first = Promise.withResolvers<GuardedAnswer>()
  #stream: ReadableStreamDefaultController<Uint8Array> | undefined
  #received = 0
  #timer: NodeJS.Timeout | undefined
  #isOver = false

  /** `onGivenUp` is called where nobody waits for the rest: it is over then, and the program has not said so. */
  constructor(limits: ExchangeLimits, onGivenUp: () => void) {
    this.#limits = limits
    this.#onGivenUp = onGivenUp
    this.answer = this.#first.promise
    limits.signal?.addEventListener('abort', this.#onAbort, { once: true })
    this.#wait(limits.firstTimeoutMs)
  }

  /** The answer is a stream, and begins now. */
  open(): this {
    this.#first.resolve(this.#streamed())
    this.#wait(this.#limits.silenceTimeoutMs)
    return this
  }

  /** Hands on a message. */
  push(text: string): void {
    if (!this.#receive(text)) return
    if (this.#stream === undefined) this.#first.resolve(this.#streamed())
    this.#enqueue(text)
    this.#wait(this.#limits.silenceTimeoutMs)
  }

  /** Hands on the answer itself, which is the last message. */
  finish(text: string, status: number): void {
    if (!this.#receive(text)) return
    this.#first.resolve(jsonAnswer(text, { status }))
    this.#enqueue(text)
    this.end()
  }

  /** Nothing more comes. */
  end(): void {
    if (this.#isOver) return
    this.#settle()
    this.#stream?.close()
  }

  fail(reason: unknown): void {
    if (this.#isOver) return
    this.#settle()
    if (this.#stream === undefined) {
      if (reason instanceof AnswerTooLarge) this.#first.resolve(brokenAnswer(reason))
      else this.#first.reject(reason)
    }
    this.#stream?.error(reason)
  }

  /** False for what comes too late, or is too much. */
  #receive(text: string): boolean {
    if (this.#isOver) return false
    // What is not ASCII is more bytes than characters: the cap is one on memory, and need not be exact.
    this.#received += text.length
    const { maxBytes } = this.#limits
    if (this.#received > maxBytes) this.#giveUp(new AnswerTooLarge('A program', maxBytes))
    return !this.#isOver
  }

  #enqueue(text: string): void {
    this.#stream?.enqueue(ENCODER.encode(sseEvent(text)))
  }

  #streamed(): GuardedAnswer {
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#stream = controller),
      cancel: (reason) => {
        this.#stream = undefined
        this.#giveUp(reason)
      },
    })
    return {
      status: 200,
      ok: true,
      headers: { 'content-type': SSE_TYPE },
      text: async () => await new Response(stream).text(),
      stream: () => stream,
      discard: () => this.#giveUp(new Error('nobody reads the answer')),
    }
  }

  #wait(timeoutMs: number): void {
    clearTimeout(this.#timer)
    const late = (): void => this.#giveUp(new ProgramFailed('did not answer in time'))
    // Longer ones end at once.
    if (timeoutMs < LONGEST_TIMER_MS) this.#timer = setTimeout(late, timeoutMs).unref()
  }

  readonly #onAbort = (): void => this.#giveUp(this.#limits.signal?.reason)

  #giveUp(reason: unknown): void {
    if (this.#isOver) return
    this.fail(reason)
    this.#onGivenUp()
  }

  #settle(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#limits.signal?.removeEventListener('abort', this.#onAbort)
  }
}

const ENCODER = new TextEncoder()
const LONGEST_TIMER_MS = 2 ** 31

interface AnswerHead {
  /** Default 200. */
  readonly status?: number
  readonly headers?: GuardedAnswer['headers']
}

export function jsonAnswer(text: string, { status = 200, headers = {} }: AnswerHead = {}): GuardedAnswer {
  return {
    status,
    ok: status < 300,
    headers: { ...headers, 'content-type': JSON_TYPE },
    async text() {
      await pauseAfter(text)
      return text
    },
    stream: () => new Response(text).body ?? new ReadableStream(),
    discard: () => undefined,
  }
}

/** As that of a server at a URL, which is read before it is known to be too long. */
function brokenAnswer(reason: AnswerTooLarge): GuardedAnswer {
  return { ...jsonAnswer(''), text: async () => await Promise.reject(reason) }
}

/** An answer without a message. */
export function emptyAnswer(status: number): GuardedAnswer {
  return { ...jsonAnswer('', { status }), headers: {} }
}
