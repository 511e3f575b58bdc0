import { setImmediate as nextTurn } from 'node:timers/promises'
import { ByteCollector } from '../byteCollector.ts'

/** The body was longer than the cap. Reading stopped there. */
export class BodyTooLarge extends Error {
  constructor() {
    super('the body is too large')
    this.name = 'BodyTooLarge'
  }
}

const CHUNKS_OF_ONE_TURN = 256
const UTF_8 = new TextDecoder('utf-8', { fatal: true })

/** The body as text, at most `maxBytes` of it. Throws `BodyTooLarge`, or a `TypeError` if it is not UTF-8. */
export async function readBody(request: Request, maxBytes: number): Promise<string> {
  const declared = request.headers.get('content-length')
  if (declared !== null && Number(declared) > maxBytes) throw new BodyTooLarge()
  // An HTTP server delivers no more than the declared length, so this reads no more either.
  const bytes =
    declared !== null && Number(declared) >= 0
      ? new Uint8Array(await request.arrayBuffer())
      : await readChunks(request.body, maxBytes)
  if (bytes.byteLength > maxBytes) throw new BodyTooLarge()
  return UTF_8.decode(bytes)
}

async function readChunks(body: ReadableStream<Uint8Array> | null, maxBytes: number): Promise<Uint8Array> {
  if (body === null) return new Uint8Array()
  const bytes = new ByteCollector()
  let chunks = 0
  for await (const chunk of body) {
    bytes.add(chunk)
    if (bytes.size > maxBytes) throw new BodyTooLarge()
    chunks += 1
    // Thousands of them may have come at once.
    if (chunks % CHUNKS_OF_ONE_TURN === 0) await nextTurn()
  }
  return bytes.takeAll()
}
