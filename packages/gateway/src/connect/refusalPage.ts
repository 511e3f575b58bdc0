import type { Context } from 'hono'
import type { GatewayError } from '../errors.ts'
import { messagePage } from './messagePage.ts'
import { TOO_MANY, UNAVAILABLE } from './messages.ts'
import { createPageHeaders } from './pageHeaders.ts'

/** What a person sees whose request the gateway does not carry out. */
export function createRefusalPage(publicUrl: URL) {
  const headers = createPageHeaders(publicUrl)
  return (context: Context, { code, retryAfterSeconds }: GatewayError): Response | Promise<Response> => {
    const { message, status } = code === 'rate_limited' ? TOO_MANY : UNAVAILABLE
    const retry = retryAfterSeconds === undefined ? undefined : { 'Retry-After': String(retryAfterSeconds) }
    return context.html(messagePage(message), status, { ...headers, ...retry })
  }
}
