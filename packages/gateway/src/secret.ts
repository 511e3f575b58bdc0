import { inspect } from 'node:util'

const REDACTED = '[redacted]'

/**
 * A value that must not be printed. `toString`, `toJSON` and `util.inspect` give `[redacted]`; the one place that needs
 * the value calls `reveal()`.
 */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  /** The value. Call it where it is used, and nowhere else. */
  reveal(): string {
    return this.#value
  }

  toString(): string {
    return REDACTED
  }

  toJSON(): string {
    return REDACTED
  }

  [inspect.custom](): string {
    return REDACTED
  }
}
