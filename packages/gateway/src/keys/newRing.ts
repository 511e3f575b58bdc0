import { randomBytes } from 'node:crypto'
import { KEY_BYTES, type KeyRing } from './keyRing.ts'

const NUMBERED = /^k(\d{1,9})$/

/** The ring with a new key as the current one, before those that it has. */
export function withNewKey(ring: KeyRing): KeyRing {
  const currentId = nextId([...ring.keys.keys()])
  return { currentId, keys: new Map([[currentId, new Uint8Array(randomBytes(KEY_BYTES))], ...ring.keys]) }
}

/** A ring of one new key. */
export function newRing(): KeyRing {
  return withNewKey({ currentId: '', keys: new Map() })
}

/** `k1`, `k2`, and so on: one more than the highest. */
function nextId(ids: readonly string[]): string {
  const numbers = ids.map((id) => Number(NUMBERED.exec(id)?.[1] ?? 0))
  return `k${Math.max(0, ...numbers) + 1}`
}
