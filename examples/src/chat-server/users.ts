import { createHash, timingSafeEqual } from 'node:crypto'

export interface User {
  /** The app's own id of its user: what Latchkey knows them by. */
  readonly id: string
  readonly name: string
}

export interface Users {
  /** Undefined if there is no such user, or the password is another one. */
  check(name: string, password: string): User | undefined
}

/**
 * Yours: an identity provider, or a table with hashed passwords.
 *
 * @param list such as `alice:her password,bob:his password`.
 * @throws {TypeError} when it is another list, so that nobody signs in with nothing.
 */
export function createUsers(list: string): Users {
  const passwords = new Map(list.split(',').map((entry) => splitOnce(entry)))
  return {
    check(name, password) {
      const expected = passwords.get(name)
      const isRight = timingSafeEqual(digest(password), digest(expected ?? ''))
      return expected !== undefined && isRight ? { id: `user_${name}`, name } : undefined
    },
  }
}

function splitOnce(entry: string): [name: string, password: string] {
  const end = entry.indexOf(':')
  if (end < 1 || end === entry.length - 1) throw new TypeError('USERS must be such as `alice:her password,bob:his`')
  return [entry.slice(0, end), entry.slice(end + 1)]
}

function digest(value: string): Buffer {
  return createHash('sha256').update(value).digest()
}
