import type { GuardedAnswer } from '../services.ts'
import { readResumableSse, type Reopen } from './resumableSse.ts'
import { readSse, type SseReader } from './sseMessages.ts'

/** An answer of an upstream whose headers have arrived. Its body is read once: as a text, or as events. */
export interface UpstreamAnswer extends Omit<GuardedAnswer, 'stream'> {
  readonly events: (maxEventChars: number) => SseReader
}

export function plainAnswer(answer: GuardedAnswer): UpstreamAnswer {
  const { status, ok, headers, text, discard } = answer
  return { status, ok, headers, text, discard, events: (maxEventChars) => readSse(answer.stream(), maxEventChars) }
}

export interface SessionAnswerOptions {
  readonly reopen: Reopen
  /** The answer has been read, or nobody reads it any more. */
  readonly onOver: () => void
}

/** An answer of the 2025 era: its events are read on where their stream breaks off, and its session is kept meanwhile. */
export function sessionAnswer(answer: GuardedAnswer, { reopen, onOver }: SessionAnswerOptions): UpstreamAnswer {
  const { status, ok, headers } = answer
  return {
    status,
    ok,
    headers,
    text: () => answer.text().finally(onOver),
    discard() {
      answer.discard()
      onOver()
    },
    events(maxEventChars) {
      const reader = readResumableSse(answer.stream(), maxEventChars, reopen)
      return { next: () => reader.next(), cancel: () => reader.cancel().finally(onOver) }
    },
  }
}
