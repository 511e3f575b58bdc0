import { isUtf8 } from 'node:buffer'

/** As `Response.text()` decodes: without a byte-order mark, and never failing. */
const UTF_8 = new TextDecoder()
/** What stands for a byte that is no text (U+FFFD) is so long in UTF-8. */
const REPLACEMENT_BYTES = 3

/**
 * Bytes as text; undefined where some are no text, and what would stand for them could make it longer than the cap, which
 * is then one on nothing (security T44).
 */
export function decodeText(bytes: Uint8Array, maxBytes: number): string | undefined {
  if (bytes.byteLength * REPLACEMENT_BYTES > maxBytes && !isUtf8(bytes)) return undefined
  return UTF_8.decode(bytes)
}
