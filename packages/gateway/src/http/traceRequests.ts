import type { Context, MiddlewareHandler } from 'hono'
import { routePath } from 'hono/route'
import type { RequestResult, Telemetry } from '../services.ts'
import type { LogRecord } from './requestLog.ts'

/** Tells telemetry of each request: what it was by its pattern, and what the room that answered it noted for the log. */
export function traceRequests(
  telemetry: Pick<Telemetry, 'request'>,
  { scheme, fieldsOf }: { scheme: string; fieldsOf: (context: Context) => LogRecord },
): MiddlewareHandler {
  return async (context, next) => {
    const { method } = context.req
    const traceparent = context.req.header('traceparent') ?? null
    await telemetry.request({ method, traceparent, scheme }, async () => {
      await next()
      const result = { status: context.res.status, route: routePath(context, -1) }
      return { ...result, mcp: mcpOf(fieldsOf(context)) }
    })
  }
}

function mcpOf({ rpcMethod, connection, outcome, tool }: LogRecord): RequestResult['mcp'] {
  if (typeof rpcMethod !== 'string') return undefined
  const isError = outcome !== undefined && outcome !== 'answered' && outcome !== 'streaming'
  return { method: rpcMethod, connection: text(connection), outcome: text(outcome), tool: text(tool), isError }
}

function text(value: LogRecord[string]): string | undefined {
  return typeof value === 'string' ? value : undefined
}
