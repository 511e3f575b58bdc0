import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { type Duplex, pipeline, Readable } from 'node:stream'
import { AnswerTooLarge, GatewayError } from '../errors.ts'
import { streamOf } from '../streamOf.ts'

/**
 * The decoded bytes of an answer, and an error as soon as there are more than `maxBytes` of them: a cap on what comes
 * over the wire stops no gzip bomb. One layer of compression at most; nobody honest needs two.
 */
export function cappedBody(
  raw: AsyncIterable<Uint8Array>,
  { contentEncoding, maxBytes, host }: { contentEncoding: string; maxBytes: number; host: string },
): ReadableStream<Uint8Array> {
  const decompressor = decompressorFor(contentEncoding.trim().toLowerCase(), host)
  // Errors of either side, and a reader that leaves, end both; the reader below hears of them from the decompressor.
  pipeline(Readable.from(raw), decompressor, () => {})
  return streamOf(decoded(decompressor, maxBytes, host))
}

async function* decoded(
  decompressor: AsyncIterable<Buffer>,
  maxBytes: number,
  host: string,
): AsyncGenerator<Uint8Array, void> {
  let received = 0
  try {
    for await (const chunk of decompressor) {
      received += chunk.byteLength
      if (received > maxBytes) throw new AnswerTooLarge(host, maxBytes)
      yield chunk
    }
  } catch (error) {
    throw isZlibError(error) ? new GatewayError('upstream_invalid', `${host} sent bytes that do not decode.`) : error
  }
}

function isZlibError(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    /^(Z_|ERR_BROTLI|ERR__ERROR)/.test(error.code)
  )
}

/** True if the body is to be decoded before it is counted. */
export function isEncoded(contentEncoding: string | undefined): contentEncoding is string {
  return contentEncoding !== undefined && contentEncoding !== '' && contentEncoding.toLowerCase() !== 'identity'
}

const DECOMPRESSORS: ReadonlyMap<string, () => Duplex> = new Map([
  ['gzip', createGunzip],
  ['x-gzip', createGunzip],
  ['deflate', createInflate],
  ['br', createBrotliDecompress],
])

function decompressorFor(encoding: string, host: string): Duplex {
  const create = DECOMPRESSORS.get(encoding)
  if (create) return create()
  throw new GatewayError('upstream_invalid', `${host} answered in an encoding that the gateway does not read.`)
}
