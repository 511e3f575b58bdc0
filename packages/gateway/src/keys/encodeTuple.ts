/**
 * One unambiguous string of bytes for a list of texts: each is preceded by its length in bytes, so that `['a', 'bc']`
 * and `['ab', 'c']` differ. What is signed or sealed is bound to such a tuple, never to joined strings.
 */
export function encodeTuple(parts: readonly string[]): Buffer {
  return Buffer.concat(parts.flatMap((part) => encodePart(Buffer.from(part, 'utf8'))))
}

function encodePart(bytes: Buffer): [Buffer, Buffer] {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return [length, bytes]
}
