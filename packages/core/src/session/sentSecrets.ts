import { LRUCache } from 'lru-cache'

/** As many as can be answered to at the same time: the ones before and after a renewal, each in a few headers. */
const MAX_SECRETS = 8
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

  #note(value: string): void {
    if (value.length >= MIN_LENGTH) this.#values.set(value, true)
  }
}
