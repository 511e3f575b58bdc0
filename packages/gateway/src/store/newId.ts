import { randomBytes } from 'node:crypto'

/** What an id is of, to be seen at a glance. */
export type IdPrefix = 'conn' | 'cfg' | 'ins' | 'ca' | 'lnk' | 'evt' | 'whk' | 'rev'

/** An id that nobody can guess and that never comes twice: the prefix and 128 random bits. It is not a secret. */
export function newId(prefix: IdPrefix): string {
  return `${prefix}_${randomBytes(16).toString('hex')}`
}
