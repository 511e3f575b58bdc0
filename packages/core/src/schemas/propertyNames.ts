import { createHash } from 'node:crypto'

const HASH_LENGTH = 8
const MAX_LENGTH = 64

/**
 * Names that a provider accepts for properties: the same where it does, else their safe characters and a hash. What a name
 * becomes depends on the name alone, so that it is changed back whichever provider it was changed for.
 */
export function acceptedName(name: string, accepted: RegExp | undefined): string {
  if (accepted === undefined || accepted.test(name)) return name
  const hash = createHash('sha256').update(name).digest('hex').slice(0, HASH_LENGTH)
  const stem = name.replaceAll(/[^a-zA-Z0-9_]+/g, '_').slice(0, MAX_LENGTH - HASH_LENGTH - 2)
  return `${/^[a-zA-Z_]/.test(stem) ? '' : '_'}${stem}_${hash}`
}
