import type { IncomingHttpHeaders } from 'node:http'
import { AnswerTooLarge } from '../errors.ts'
import type { GuardedAnswer } from '../services.ts'
import { cappedBody, isEncoded } from './cappedBody.ts'
import { decodeText } from './decodeText.ts'
import type { IncomingBody } from './incomingBody.ts'

export interface AnswerInput {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: IncomingBody
  readonly maxBytes: number
  readonly host: string
  /** Ends the exchange. */
  readonly cancel: (reason: unknown) => void
}

/** Throws GatewayError `upstream_invalid` if the body is in an encoding that is not read. */
export function createAnswer({ status, headers, body, maxBytes, host, cancel }: AnswerInput): GuardedAnswer {
  const encoding = headers['content-encoding']
  const decoded = isEncoded(encoding)
    ? cappedBody(body.stream(), { contentEncoding: encoding, maxBytes, host })
    : undefined
  return {
    status,
    ok: status >= 200 && status < 300,
    headers,
    async text() {
      const bytes =
        decoded === undefined ? await body.bytes() : new Uint8Array(await new Response(decoded).arrayBuffer())
      const text = decodeText(bytes, maxBytes)
      if (text === undefined) throw new AnswerTooLarge(host, maxBytes)
      return text
    },
    stream: () => decoded ?? body.stream(),
    discard: () => cancel(new Error('nobody reads the answer')),
  }
}

/** For callers that need the web's own type. */
export function toResponse(answer: GuardedAnswer, { hasBody }: { hasBody: boolean }): Response {
  const { headers } = answer
  const copied = new Headers()
  for (const name in headers) {
    const value = headers[name]
    for (const item of typeof value === 'string' ? [value] : (value ?? [])) copied.append(name, item)
  }
  if (isEncoded(headers['content-encoding'])) {
    copied.delete('content-encoding')
    copied.delete('content-length')
  }
  const isEmpty = !hasBody || answer.status === 204 || answer.status === 205
  return new Response(isEmpty ? null : answer.stream(), { status: answer.status, headers: copied })
}
