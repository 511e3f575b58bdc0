import { LRUCache } from 'lru-cache'

/** As many as can be answered to at the same time: the ones before and after a renewal, each in a few headers. */
const MAX_SECRETS = 8
/** More than an error of the MCP client has. */
const MAX_CAUSES = 10
/** Shorter values are no secrets, and stand in other words. */
const MIN_LENGTH = 8

/** What a session sent to prove who it is for: an endpoint may repeat it in an error, and nobody may read it there. */
export class SentSecrets {
  readonly #values = new LRUCache<string, true>({ max: MAX_SECRETS })

  /** @param url - A pre-authenticated one is a secret by its last segment. */
  constructor(url: string) {
    this.#note(new URL(url).pathname.split('/').at(-1) ?? '')
  }

  /** Headers that are about to be sent. */
  note(headers: Readonly<Record<string, string>>): void {
    // Without the scheme, because whoever repeats a token may leave that out (RFC 9110, section 11.4).
    for (const value of Object.values(headers)) this.#note(value.split(' ').at(-1) ?? '')
  }

  /** The text without them. */
  hideIn(text: string): string {
    let shown = text
    for (const value of this.#values.keys()) shown = shown.replaceAll(value, '[redacted]')
    return shown
  }

  /** Takes them out of what an error says, and its causes: words of the endpoint's may be in any of them. */
  hideInCauses(error: unknown): void {
    let cause = error
    for (let depth = 0; depth < MAX_CAUSES && cause instanceof Error; depth += 1) {
      const shown = this.hideIn(cause.message)
      // Not every error can be changed; those that cannot are not of the endpoint's words.
      if (shown !== cause.message) Reflect.set(cause, 'message', shown)
      cause = cause.cause
    }
  }

  #note(value: string): void {
    if (value.length >= MIN_LENGTH) this.#values.set(value, true)
  }
}
