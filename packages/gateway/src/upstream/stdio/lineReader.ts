import { decodeText } from '../../http/decodeText.ts'

/** A line is longer than the cap (security T44). */
export class LineTooLong extends Error {
  constructor() {
    super('a line is too long')
    this.name = 'LineTooLong'
  }
}

const NEWLINE = 0x0a
const FIRST_BYTES = 4 * 1024

/**
 * Divides what comes in into lines. The beginning of a line is copied into one buffer that grows: a program that writes
 * its bytes one by one costs no more than one that writes them at once. Throws `LineTooLong`.
 */
export function createLineReader(maxBytes: number): (chunk: Uint8Array) => Generator<string, void> {
  let kept = new Uint8Array(0)
  let size = 0

  function keep(part: Uint8Array): void {
    if (size + part.byteLength > kept.byteLength) {
      const larger = new Uint8Array(Math.max(FIRST_BYTES, 2 * kept.byteLength, size + part.byteLength))
      larger.set(kept.subarray(0, size))
      kept = larger
    }
    kept.set(part, size)
    size += part.byteLength
  }

  function take(last: Uint8Array): string {
    if (size === 0) return decode(last)
    keep(last)
    const line = decode(kept.subarray(0, size))
    kept = new Uint8Array(0)
    size = 0
    return line
  }

  function decode(bytes: Uint8Array): string {
    const line = decodeText(bytes, maxBytes)
    if (line === undefined) throw new LineTooLong()
    return line
  }

  return function* lines(chunk) {
    let from = 0
    for (;;) {
      const end = chunk.indexOf(NEWLINE, from)
      const part = chunk.subarray(from, end === -1 ? undefined : end)
      if (size + part.byteLength > maxBytes) throw new LineTooLong()
      if (end === -1) return keep(part)
      yield take(part)
      from = end + 1
    }
  }
}
