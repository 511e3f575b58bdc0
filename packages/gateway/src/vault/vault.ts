import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { GatewayError } from '../errors.ts'
import { encodeTuple } from '../keys/encodeTuple.ts'
import { KEY_BYTES, type KeyRing } from '../keys/keyRing.ts'
import type { Vault } from '../services.ts'

const ALGORITHM = 'aes-256-gcm'
const FORMAT = 1
const IV_BYTES = 12
const TAG_BYTES = 16
const BOX_OVERHEAD = IV_BYTES + TAG_BYTES
const WRAPPED_KEY_BYTES = KEY_BYTES + BOX_OVERHEAD

/**
 * Envelope encryption. Every value has a random key of its own, which is wrapped by the ring's current key; so a new
 * key for the ring re-wraps 32 bytes a value, and no key of the ring meets the plaintext.
 *
 * Bytes: format, length of the key id, key id, wrapped key (IV, 32, tag), value (IV, …, tag). The header and the
 * context are authenticated with both boxes: a value that is moved, cut or rolled back does not open.
 */
export function createVault(ring: KeyRing): Vault {
  return {
    seal(plaintext, context) {
      const header = encodeHeader(ring.currentId)
      const bound = Buffer.concat([header, encodeTuple(context)])
      const valueKey = randomBytes(KEY_BYTES)
      const wrapped = close(ringKey(ring, ring.currentId), valueKey, bound)
      return new Uint8Array(Buffer.concat([header, wrapped, close(valueKey, Buffer.from(plaintext, 'utf8'), bound)]))
    },

    open(sealed, context) {
      const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength)
      const { keyId, header, wrapped, box } = split(bytes)
      const bound = Buffer.concat([header, encodeTuple(context)])
      return openBox(openBox(ringKey(ring, keyId), wrapped, bound), box, bound).toString('utf8')
    },
  }
}

function encodeHeader(keyId: string): Buffer {
  const id = Buffer.from(keyId, 'latin1')
  return Buffer.concat([Buffer.of(FORMAT, id.length), id])
}

function split(bytes: Buffer) {
  const headerLength = 2 + (bytes[1] ?? 0)
  const boxStart = headerLength + WRAPPED_KEY_BYTES
  if (bytes[0] !== FORMAT || bytes.length < boxStart + BOX_OVERHEAD) throw unreadable()
  return {
    keyId: bytes.toString('latin1', 2, headerLength),
    header: bytes.subarray(0, headerLength),
    wrapped: bytes.subarray(headerLength, boxStart),
    box: bytes.subarray(boxStart),
  }
}

function ringKey(ring: KeyRing, keyId: string): Uint8Array {
  const key = ring.keys.get(keyId)
  if (key === undefined) throw unreadable()
  return key
}

function close(key: Uint8Array, plaintext: Buffer, bound: Buffer): Buffer {
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv(ALGORITHM, key, iv, { authTagLength: TAG_BYTES }).setAAD(bound)
  return Buffer.concat([iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

/** `authTagLength` is what makes Node refuse shorter tags, which are easier to forge. */
function openBox(key: Uint8Array, box: Buffer, bound: Buffer): Buffer {
  try {
    const iv = box.subarray(0, IV_BYTES)
    const decipher = createDecipheriv(ALGORITHM, key, iv, { authTagLength: TAG_BYTES }).setAAD(bound)
    decipher.setAuthTag(box.subarray(-TAG_BYTES))
    return Buffer.concat([decipher.update(box.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()])
  } catch (error) {
    throw unreadable(error)
  }
}

/** The same for every reason: which one it was would help only somebody who is trying. */
function unreadable(cause?: unknown): GatewayError {
  return new GatewayError(
    'internal',
    'A sealed value could not be opened: it was changed, moved, or sealed with another key.',
    {
      cause,
    },
  )
}
