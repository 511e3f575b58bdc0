/** So many are kept as they come, which most bodies are. */
const PIECES_AS_THEY_COME = 16
const SMALL_BYTES = 4 * 1024
const BLOCK_BYTES = 64 * 1024

/**
 * Bytes as they come, kept in few pieces. Whoever sends decides how long a chunk is, and a chunk of one byte takes a
 * hundred times as much memory as that byte: ten million of them would take a gigabyte (security T44).
 */
export class ByteCollector {
  #pieces: Uint8Array[] = []
  #block: Buffer | undefined
  #used = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  add(chunk: Uint8Array): void {
    this.#size += chunk.byteLength
    if (this.#pieces.length < PIECES_AS_THEY_COME || chunk.byteLength >= SMALL_BYTES) {
      this.#closeBlock()
      this.#pieces.push(chunk)
      return
    }
    if (this.#block === undefined || this.#block.byteLength - this.#used < chunk.byteLength) {
      this.#closeBlock()
      this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES)
    }
    this.#block.set(chunk, this.#used)
    this.#used += chunk.byteLength
  }

  /** What has been collected, in order. Begins anew. */
  take(): Uint8Array[] {
    this.#closeBlock()
    const pieces = this.#pieces
    this.#pieces = []
    this.#size = 0
    return pieces
  }

  /** The same in one piece. */
  takeAll(): Uint8Array {
    const [only, ...others] = this.take()
    if (only === undefined) return new Uint8Array()
    return others.length === 0 ? only : Buffer.concat([only, ...others])
  }

  #closeBlock(): void {
    if (this.#block !== undefined) this.#pieces.push(this.#block.subarray(0, this.#used))
    this.#block = undefined
    this.#used = 0
  }
}
