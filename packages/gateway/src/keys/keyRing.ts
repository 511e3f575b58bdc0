import { GatewayError } from '../errors.ts'

/** Keys by their ids. New values are made with the current one; the others still open what they made. */
export interface KeyRing {
  readonly currentId: string
  readonly keys: ReadonlyMap<string, Uint8Array>
}

export const KEY_BYTES = 32

export const MAX_KEY_ID_LENGTH = 32

const ENTRY = /^([A-Za-z0-9_-]{1,32}):([A-Za-z0-9_-]{43})$/

/**
 * Reads `kid:base64url-of-32-bytes,kid2:…`. The first is the current one.
 *
 * @param source - where the text came from, for the message: the environment variable or the option.
 * @throws GatewayError `configuration`, which names the source and the position, never the value.
 */
export function parseKeyRing(text: string, source: string): KeyRing {
  const entries = text.split(',').map((entry, index) => parseEntry(entry.trim(), index, source))
  const keys = new Map(entries)
  if (keys.size !== entries.length) throw invalid(source, 'names the same key id twice')
  const [[currentId] = ['']] = entries
  return { currentId, keys }
}

/** The text that `parseKeyRing` reads. It holds the keys. */
export function formatKeyRing(ring: KeyRing): string {
  const others = [...ring.keys].filter(([id]) => id !== ring.currentId)
  const current = [...ring.keys].filter(([id]) => id === ring.currentId)
  return [...current, ...others].map(([id, key]) => `${id}:${Buffer.from(key).toString('base64url')}`).join(',')
}

function parseEntry(entry: string, index: number, source: string): [string, Uint8Array] {
  const [, id, encoded] = ENTRY.exec(entry) ?? []
  if (id === undefined || encoded === undefined) throw invalid(source, `is not a list of keys (entry ${index + 1})`)
  const key = Buffer.from(encoded, 'base64url')
  // The 43rd character carries two bits too many; only one spelling of a key is a key.
  if (key.toString('base64url') !== encoded) throw invalid(source, `is not base64url (entry ${index + 1})`)
  return [id, new Uint8Array(key)]
}

function invalid(source: string, what: string): GatewayError {
  return new GatewayError(
    'configuration',
    `${source} ${what}. It must be "<key id>:<32 bytes in base64url>", several separated by commas, the current one first.`,
  )
}
