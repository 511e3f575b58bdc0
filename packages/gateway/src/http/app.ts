import { randomUUID } from 'node:crypto'
import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { routePath } from 'hono/route'
import { GatewayError } from '../errors.ts'
import type { Clock, McpEndpoint, Telemetry } from '../services.ts'
import { currentRequest, inRequest } from '../requestScope.ts'
import { incomingOf, type ClientAddress } from './clientAddress.ts'
import { errorResponse } from './errorResponse.ts'
import { createHostGuard } from './hostGuard.ts'
import type { Readiness } from './readiness.ts'
import { traceRequests } from './traceRequests.ts'
import { createRequestLog, NO_LOG, type LogSink } from './requestLog.ts'

export interface AppOptions {
  readonly publicUrl: URL
  readonly control: Hono
  readonly connect: Hono
  readonly mcp: McpEndpoint
  readonly isHealthy: () => Promise<boolean>
  /** Whether requests should come here; see `http/readiness.ts`. */
  readonly readiness: Readiness
  /** Limits, and the audit log. */
  readonly gate: MiddlewareHandler
  readonly clientAddress: ClientAddress
  /** Default: nothing is traced or measured. */
  readonly telemetry?: Telemetry | undefined
  /** Never throws. */
  readonly log: LogSink
  readonly clock: Clock
}

/**
 * Every route of the gateway:
 *
 * | path | for | room |
 * |---|---|---|
 * | `GET /health` | is the process up and its store in reach | here |
 * | `GET /ready` | should requests come here: store, keys, draining | here |
 * | `POST /oauth/token`, `GET /keys` | the app's access token, our public keys | `control/` |
 * | `/api/v1/…` | the control plane: configs, instances, auth state, session tokens, events | `control/` |
 * | `GET, POST /connect/:token` and what is below it | the page that an authentication link opens | `connect/` |
 * | `GET /oauth/callback` and what is below it | the provider's answer | `connect/` |
 * | `GET /oauth/client-metadata/:file` | who we are to authorization servers | `connect/` |
 * | `/mcp/:endpoint` | MCP clients | `mcp/` |
 */
export function createApp(options: AppOptions): Hono {
  const { publicUrl, control, connect, mcp, isHealthy, readiness, gate, clientAddress, log, clock } = options
  const app = new Hono()
  app.use(scopeRequests(clientAddress))
  if (options.telemetry !== undefined) {
    const fieldsOf = (context: Context) => requestLogOf(context).fields
    app.use(traceRequests(options.telemetry, { scheme: publicUrl.protocol.slice(0, -1), fieldsOf }))
  }
  if (log !== NO_LOG) app.use(logRequests(log, clock))
  if (publicUrl.protocol === 'https:') app.use(strictTransport)
  app.use(gate)
  app.use(createHostGuard(publicUrl))
  app.get('/health', async (context) =>
    (await isHealthy()) ? context.json({ status: 'ok' }) : context.json({ status: 'unavailable' }, 503),
  )
  app.get('/ready', async (context) => {
    const { isReady, checks } = await readiness()
    return context.json({ status: isReady ? 'ready' : 'not_ready', checks }, isReady ? 200 : 503)
  })
  app.route('/', control)
  app.route('/', connect)
  app.all('/mcp/:endpoint', (context) =>
    mcp.handle(context.req.raw, context.req.param('endpoint'), requestLogOf(context)),
  )
  app.notFound((context) => errorResponse(context, new GatewayError('not_found', 'There is nothing here.')))
  app.onError((error, context) => {
    requestLogOf(context).set('error', error instanceof GatewayError ? error.code : error.name)
    return errorResponse(context, error)
  })
  return app
}

const logs = new WeakMap<Request, ReturnType<typeof createRequestLog>>()

function requestLogOf(context: Context): ReturnType<typeof createRequestLog> {
  const existing = logs.get(context.req.raw)
  if (existing) return existing
  const created = createRequestLog()
  logs.set(context.req.raw, created)
  return created
}

/** Makes what is known of a request known wherever something is done for it. */
function scopeRequests(clientAddress: ClientAddress): MiddlewareHandler {
  return async (context, next) => {
    const address = clientAddress(context.req.raw, context.env)
    // In turns with their values, which may be secrets and are not kept.
    const headerNames = incomingOf(context.env)?.rawHeaders?.filter((_, index) => index % 2 === 0)
    await inRequest({ requestId: randomUUID(), address, headerNames, actor: 'anonymous', entries: [] }, next)
  }
}

/** RFC 6797: a browser that was here once never asks without TLS again (security T75). */
const strictTransport: MiddlewareHandler = async (context, next) => {
  await next()
  context.header('Strict-Transport-Security', 'max-age=31536000')
}

function logRequests(log: LogSink, clock: Clock): MiddlewareHandler {
  return async (context, next) => {
    const started = performance.now()
    const requestLog = requestLogOf(context)
    await next()
    const { status } = context.res
    log({
      time: new Date(clock()).toISOString(),
      level: status >= 500 ? 'error' : 'info',
      message: 'request',
      requestId: currentRequest()?.requestId,
      method: context.req.method,
      // The pattern and not the path: paths hold URL secrets and link tokens.
      route: routePath(context, -1),
      status,
      durationMs: Math.round((performance.now() - started) * 100) / 100,
      ...requestLog.fields,
    })
  }
}
