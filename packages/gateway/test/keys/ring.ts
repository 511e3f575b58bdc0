import { parseKeyRing, type KeyRing } from '../../src/keys/keyRing.ts'

/** A ring of keys that are easy to tell apart: every byte of a key is its number. */
export function aRing(...keys: readonly (readonly [id: string, byte: number])[]): KeyRing {
  const entries = keys.map(([id, byte]) => `${id}:${Buffer.alloc(32, byte).toString('base64url')}`)
  return parseKeyRing(entries.join(','), 'the test ring')
}
