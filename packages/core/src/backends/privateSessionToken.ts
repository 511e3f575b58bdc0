import type { SessionToken } from './backend.ts'

/** A `SessionToken` that does not show when it is printed. */
export class PrivateSessionToken implements SessionToken {
  readonly expiresAt: Date
  readonly #token: string

  constructor(token: string, expiresAt: Date) {
    this.#token = token
    this.expiresAt = expiresAt
  }

  get token(): string {
    return this.#token
  }
}
