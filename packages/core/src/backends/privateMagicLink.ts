import type { MagicLink } from './backend.ts'

/** A `MagicLink` whose URL does not show when it is printed. */
export class PrivateMagicLink implements MagicLink {
  readonly expiresAt: Date | undefined
  readonly #url: string

  constructor(url: string, expiresAt: Date | undefined) {
    this.#url = url
    this.expiresAt = expiresAt
  }

  get url(): string {
    return this.#url
  }
}
