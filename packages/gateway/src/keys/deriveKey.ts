import { hkdfSync } from 'node:crypto'

/** A key for one purpose only, from a key of the ring (HKDF-SHA-256, RFC 5869). */
export function deriveKey(key: Uint8Array, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', key, '', `latchkey ${purpose}`, 32))
}
