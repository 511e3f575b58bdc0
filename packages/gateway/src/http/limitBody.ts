import type { MiddlewareHandler } from 'hono'
import { ByteCollector } from '../byteCollector.ts'
import { GatewayError } from '../errors.ts'

/**
 * Refuses a body that is longer, whether it says so itself or not; then `req.text()` gives it. Throws GatewayError
 * `too_large`.
 *
 * Hono's own middleware makes another `Request` of the one that came, which the one of `@hono/node-server` does not
 * allow where the program's globals are left alone: every request without a length was answered with 500.
 */
export function limitBody(maxBytes: number): MiddlewareHandler {
  return async (context, next) => {
    const { raw } = context.req
    const isMeasured = raw.headers.has('Content-Length') && !raw.headers.has('Transfer-Encoding')
    if (isMeasured && Number(raw.headers.get('Content-Length')) > maxBytes) throw tooLarge(maxBytes)
    if (!isMeasured && raw.body !== null) {
      const text = await read(raw.body, maxBytes)
      // A promise, as `req.text()` itself keeps one there.
      Object.assign(context.req.bodyCache, { text: Promise.resolve(text) })
    }
    return await next()
  }
}

async function read(body: ReadableStream<Uint8Array>, maxBytes: number): Promise<string> {
  const bytes = new ByteCollector()
  for await (const chunk of body) {
    bytes.add(chunk)
    if (bytes.size > maxBytes) throw tooLarge(maxBytes)
  }
  return new TextDecoder().decode(bytes.takeAll())
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('too_large', `The body is larger than ${maxBytes} bytes.`)
}
