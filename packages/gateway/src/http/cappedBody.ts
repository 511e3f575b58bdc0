import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { Duplex } from 'node:stream'
import { GatewayError } from '../errors.ts'

/**
 * The decoded bytes of an answer, and an error as soon as there are more than `maxBytes` of them: a cap on what comes
 * over the wire stops no gzip bomb. One layer of compression at most; nobody honest needs two.
 */
export function cappedBody(
  raw: ReadableStream<Uint8Array>,
  { contentEncoding, maxBytes, host }: { contentEncoding: string; maxBytes: number; host: string },
): ReadableStream<Uint8Array> {
  const decompressor = decompressorFor(contentEncoding.trim().toLowerCase(), host)
  const decoded: ReadableStream<Uint8Array> = raw.pipeThrough(Duplex.toWeb(decompressor))
  return decoded.pipeThrough(new TransformStream(byteCap(maxBytes, host)))
}

function byteCap(maxBytes: number, host: string): Transformer<Uint8Array, Uint8Array> {
  let received = 0
  return {
    transform(chunk, controller) {
      received += chunk.byteLength
      if (received > maxBytes) controller.error(tooLarge(host, maxBytes))
      else controller.enqueue(chunk)
    },
  }
}

/** True if the body is to be decoded before it is counted. */
export function isEncoded(contentEncoding: string | undefined): contentEncoding is string {
  return contentEncoding !== undefined && contentEncoding !== '' && contentEncoding.toLowerCase() !== 'identity'
}

export function tooLarge(host: string, maxBytes: number): GatewayError {
  return new GatewayError('upstream_invalid', `${host} answered with more than the ${maxBytes} bytes that are allowed.`)
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
