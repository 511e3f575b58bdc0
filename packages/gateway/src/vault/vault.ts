import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { GatewayError } from '../errors.ts'
import { encodeTuple } from '../keys/encodeTuple.ts'
import { KEY_BYTES, MAX_KEY_ID_LENGTH, type KeyRing } from '../keys/keyRing.ts'
import type { Vault } from '../services.ts'

const ALGORITHM = 'aes-256-gcm'
/** Part of what is authenticated with each box, so that a value of one format does not pass for one of another. */
const FORMAT = 2
/** Of the first version: the header was bound to the value's box too, so a new key had to seal the whole value anew. */
const FIRST_FORMAT = 1
const IV_BYTES = 12
const TAG_BYTES = 16
const BOX_OVERHEAD = IV_BYTES + TAG_BYTES
const WRAPPED_KEY_BYTES = KEY_BYTES + BOX_OVERHEAD

/** How many bytes at the beginning of a sealed value are enough for {@link sealedKeyId}. */
export const SEALED_HEAD_BYTES = 2 + MAX_KEY_ID_LENGTH

/** A vault that can also bring what it sealed under its current key. */
export interface RotatingVault extends Vault {
  /**
   * The same value with its key wrapped by the current key of the ring. The value itself is not opened, but for values
   * of the first version: those need the context that they were sealed in.
   *
   * @throws GatewayError `internal` if the value was changed, or its key is not in the ring.
   */
  rewrap(sealed: Uint8Array, firstFormatContext?: readonly string[]): Uint8Array
}

/**
 * Envelope encryption. Every value has a random key of its own, which is wrapped by the ring's current key; so a new
 * key for the ring re-wraps 32 bytes a value, and no key of the ring meets the plaintext.
 *
 * Bytes: format, length of the key id, key id, wrapped key (IV, 32, tag), value (IV, …, tag). The header is
 * authenticated with the wrapped key, the context with the value: what is moved, cut or rolled back does not open.
 *
 * The ring is read anew each time: keys may be added to it, and another one become the current one.
 */
export function createVault(ring: KeyRing): RotatingVault {
  function seal(plaintext: string, context: readonly string[]): Uint8Array {
    const valueKey = randomBytes(KEY_BYTES)
    const box = close(valueKey, Buffer.from(plaintext, 'utf8'), boundValue(context))
    return join(wrap(ring, valueKey), box)
  }

  function open(sealed: Uint8Array, context: readonly string[]): string {
    const { format, keyId, header, wrapped, box } = split(sealed)
    const key = ringKey(ring, keyId)
    if (format === FORMAT) return openBox(openBox(key, wrapped, header), box, boundValue(context)).toString('utf8')
    const bound = Buffer.concat([header, encodeTuple(context)])
    return openBox(openBox(key, wrapped, bound), box, bound).toString('utf8')
  }

  return {
    seal,
    open,
    rewrap(sealed, firstFormatContext) {
      const { format, keyId, header, wrapped, box } = split(sealed)
      if (format === FORMAT) return join(wrap(ring, openBox(ringKey(ring, keyId), wrapped, header)), box)
      if (firstFormatContext === undefined) throw unreadable()
      return seal(open(sealed, firstFormatContext), firstFormatContext)
    },
  }
}

/**
 * Which key a value is sealed with, of its first {@link SEALED_HEAD_BYTES} or more. Undefined for
 * what is no sealed value.
 */
export function sealedKeyId(head: Uint8Array): { keyId: string; isFirstFormat: boolean } | undefined {
  const [format, idLength = 0] = head
  if (format !== FORMAT && format !== FIRST_FORMAT) return undefined
  if (idLength === 0 || head.length < 2 + idLength) return undefined
  return { keyId: toBuffer(head).toString('latin1', 2, 2 + idLength), isFirstFormat: format === FIRST_FORMAT }
}

function wrap(ring: KeyRing, valueKey: Buffer): Buffer {
  const header = encodeHeader(ring.currentId)
  return Buffer.concat([header, close(ringKey(ring, ring.currentId), valueKey, header)])
}

function join(wrapped: Buffer, box: Buffer): Uint8Array {
  return new Uint8Array(Buffer.concat([wrapped, box]))
}

function boundValue(context: readonly string[]): Buffer {
  return Buffer.concat([Buffer.of(FORMAT), encodeTuple(context)])
}

function encodeHeader(keyId: string): Buffer {
  const id = Buffer.from(keyId, 'latin1')
  return Buffer.concat([Buffer.of(FORMAT, id.length), id])
}

function split(sealed: Uint8Array) {
  const bytes = toBuffer(sealed)
  const headerLength = 2 + (bytes[1] ?? 0)
  const boxStart = headerLength + WRAPPED_KEY_BYTES
  const format = bytes[0]
  if ((format !== FORMAT && format !== FIRST_FORMAT) || bytes.length < boxStart + BOX_OVERHEAD) throw unreadable()
  return {
    format,
    keyId: bytes.toString('latin1', 2, headerLength),
    header: bytes.subarray(0, headerLength),
    wrapped: bytes.subarray(headerLength, boxStart),
    box: bytes.subarray(boxStart),
  }
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
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
