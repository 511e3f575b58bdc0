import {
  createNoopMeter,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Context,
  type Meter,
  type MeterProvider,
  type Tracer,
  type TracerProvider,
} from '@opentelemetry/api'
import {
  ATTR_ERROR_TYPE,
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_HTTP_ROUTE,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
  ATTR_URL_SCHEME,
  METRIC_HTTP_CLIENT_REQUEST_DURATION,
  METRIC_HTTP_SERVER_REQUEST_DURATION,
} from '@opentelemetry/semantic-conventions'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { GatewayError } from '../errors.ts'
import { currentRequest } from '../requestScope.ts'
import type { ReceivedRequest, RequestResult, SentRequest, Telemetry } from '../services.ts'
import * as names from './names.ts'

export interface TelemetryOptions {
  readonly tracerProvider: TracerProvider | undefined
  readonly meterProvider: MeterProvider | undefined
  readonly version: string
  /** Whether spans continue what the caller says that it began. */
  readonly trustTraceContext: boolean
  /** Whether upstreams are told which trace a request belongs to. */
  readonly propagateTraceContext: boolean
}

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
const NANOSECONDS = 1e9

/**
 * Traces and metrics of everything that the rooms tell. Labels are few and ours: routes, connections, outcomes; never a
 * path, a user, an id or an address (security T5).
 */
export function createTelemetry(options: TelemetryOptions): Telemetry & { close(): void } {
  const { version, trustTraceContext, propagateTraceContext } = options
  const tracer = (options.tracerProvider ?? trace.getTracerProvider()).getTracer('latchkey', version)
  const isTracing = options.tracerProvider !== undefined
  const meter = options.meterProvider?.getMeter('latchkey', version) ?? createNoopMeter()
  const instruments = createInstruments(meter)
  const eventLoop = watchEventLoop(meter)

  async function request(received: ReceivedRequest, work: () => Promise<RequestResult>): Promise<void> {
    const started = performance.now()
    const method = methodOf(received.method)
    const parent = trustTraceContext ? remoteParent(received.traceparent) : ROOT_CONTEXT
    const span = isTracing ? tracer.startSpan(method, { kind: SpanKind.SERVER }, parent) : undefined
    const scope = currentRequest()
    if (scope !== undefined) scope.span = span
    const result = await work()
    const labels = {
      [ATTR_HTTP_REQUEST_METHOD]: method,
      [ATTR_HTTP_ROUTE]: result.route,
      [ATTR_HTTP_RESPONSE_STATUS_CODE]: result.status,
      [ATTR_URL_SCHEME]: received.scheme,
      ...(result.status >= 500 && { [ATTR_ERROR_TYPE]: String(result.status) }),
    }
    const seconds = (performance.now() - started) / 1000
    instruments.served.record(seconds, labels)
    if (result.mcp !== undefined) mcpCall(result.mcp, seconds, span)
    if (span === undefined) return
    span.updateName(`${method} ${result.route}`).setAttributes(labels)
    if (result.status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
    span.end()
  }

  function mcpCall(mcp: NonNullable<RequestResult['mcp']>, seconds: number, parent: Span | undefined): void {
    const { method, connection, outcome, tool } = mcp
    const labels = {
      [names.ATTR_MCP_METHOD_NAME]: method,
      ...(connection !== undefined && { [names.ATTR_CONNECTION]: connection }),
      ...(outcome !== undefined && { [names.ATTR_OUTCOME]: outcome }),
      ...(mcp.isError && { [ATTR_ERROR_TYPE]: outcome ?? 'error' }),
    }
    instruments.mcp.record(seconds, labels)
    if (parent === undefined) return
    const startTime = Date.now() - seconds * 1000
    const name = tool === undefined ? method : `${method} ${tool}`
    const span = tracer.startSpan(name, { kind: SpanKind.SERVER, startTime }, trace.setSpan(ROOT_CONTEXT, parent))
    span.setAttributes(labels)
    if (tool !== undefined) {
      span.setAttributes({ [names.ATTR_GEN_AI_TOOL_NAME]: tool, [names.ATTR_GEN_AI_OPERATION_NAME]: 'execute_tool' })
    }
    if (mcp.isError) span.setStatus({ code: SpanStatusCode.ERROR })
    span.end()
  }

  async function sent<T extends { readonly status: number }>(
    { method, url }: SentRequest,
    work: (traceparent: string | undefined) => Promise<T>,
  ): Promise<T> {
    const started = performance.now()
    // The host and no more: a path or a query may hold what is nobody's business.
    const labels = {
      [ATTR_HTTP_REQUEST_METHOD]: methodOf(method),
      [ATTR_SERVER_ADDRESS]: url.hostname,
      [ATTR_SERVER_PORT]: Number(url.port) || (url.protocol === 'https:' ? 443 : 80),
    }
    const span = startChild(tracer, isTracing, methodOf(method), SpanKind.CLIENT)
    span?.setAttributes(labels)
    const ended = (outcome: Record<string, string | number>) => {
      instruments.sent.record((performance.now() - started) / 1000, { ...labels, ...outcome })
      span?.setAttributes(outcome)
      if (ATTR_ERROR_TYPE in outcome) span?.setStatus({ code: SpanStatusCode.ERROR })
      span?.end()
    }
    try {
      const answer = await work(propagateTraceContext ? traceparentOf(span) : undefined)
      const { status } = answer
      ended({ [ATTR_HTTP_RESPONSE_STATUS_CODE]: status, ...(status >= 400 && { [ATTR_ERROR_TYPE]: String(status) }) })
      return answer
    } catch (error) {
      ended({ [ATTR_ERROR_TYPE]: codeOf(error) })
      throw error
    }
  }

  async function refreshed<T>(connection: string, work: () => Promise<T>): Promise<T> {
    const span = startChild(tracer, isTracing, 'refresh', SpanKind.INTERNAL)
    const ended = (outcome: string) => {
      const labels = { [names.ATTR_CONNECTION]: connection, [names.ATTR_OUTCOME]: outcome }
      instruments.refreshes.add(1, labels)
      span?.setAttributes(labels).end()
    }
    try {
      const result = await work()
      ended('ok')
      return result
    } catch (error) {
      ended(codeOf(error))
      throw error
    }
  }

  return {
    request,
    sent,
    refreshed,
    statusChanged: (connection, status) =>
      instruments.statusChanges.add(1, { [names.ATTR_CONNECTION]: connection, [names.ATTR_STATUS]: status }),
    eventTold: (lagMs) => instruments.eventLag.record(Math.max(0, lagMs) / 1000),
    limited: (by) => instruments.limited.add(1, { [names.ATTR_LIMIT]: by }),
    close: eventLoop,
  }
}

function createInstruments(meter: Meter) {
  const duration = { unit: 's', advice: { explicitBucketBoundaries: names.DURATION_BUCKETS } }
  return {
    served: meter.createHistogram(METRIC_HTTP_SERVER_REQUEST_DURATION, {
      ...duration,
      description: 'Duration of requests to the gateway, until the answer begins.',
    }),
    sent: meter.createHistogram(METRIC_HTTP_CLIENT_REQUEST_DURATION, {
      ...duration,
      description: 'Duration of requests to upstreams and authorization servers, until the answer begins.',
    }),
    mcp: meter.createHistogram(names.METRIC_MCP_SERVER_OPERATION_DURATION, {
      ...duration,
      description: 'Duration of MCP requests, by method, connection and outcome.',
    }),
    refreshes: meter.createCounter(names.METRIC_REFRESHES, { description: 'Refreshes of grants, by outcome.' }),
    statusChanges: meter.createCounter(names.METRIC_STATUS_CHANGES, {
      description: 'Status changes of connected accounts that this process made: consents are those to ACTIVE.',
    }),
    eventLag: meter.createHistogram(names.METRIC_EVENT_LAG, {
      ...duration,
      description: 'From a status change to when this process told it.',
    }),
    limited: meter.createCounter(names.METRIC_LIMITED, { description: 'Requests over a rate limit, by limit.' }),
  }
}

/** Gives what ends it. */
function watchEventLoop(meter: Meter): () => void {
  const delay = monitorEventLoopDelay({ resolution: 20 })
  delay.enable()
  const gauge = (name: string, read: () => number) =>
    meter.createObservableGauge(name, { unit: 's' }).addCallback((result) => result.observe(read() / NANOSECONDS))
  gauge(names.METRIC_NODEJS_EVENTLOOP_DELAY_P50, () => delay.percentile(50))
  gauge(names.METRIC_NODEJS_EVENTLOOP_DELAY_P99, () => delay.percentile(99))
  gauge(names.METRIC_NODEJS_EVENTLOOP_DELAY_MAX, () => delay.max)
  return () => void delay.disable()
}

function startChild(tracer: Tracer, isTracing: boolean, name: string, kind: SpanKind): Span | undefined {
  if (!isTracing) return undefined
  return tracer.startSpan(name, { kind }, contextOfRequest())
}

/** Only `request` above puts one there. */
function contextOfRequest(): Context {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const span = currentRequest()?.span as Span | undefined
  return span === undefined ? ROOT_CONTEXT : trace.setSpan(ROOT_CONTEXT, span)
}

/** W3C Trace Context, version 00. */
function remoteParent(traceparent: string | null): Context {
  const [, traceId, spanId, flags] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(traceparent ?? '') ?? []
  if (traceId === undefined || spanId === undefined) return ROOT_CONTEXT
  const traceFlags = Number.parseInt(flags ?? '0', 16) & TraceFlags.SAMPLED
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true })
}

function traceparentOf(span: Span | undefined): string | undefined {
  if (span === undefined) return undefined
  const { traceId, spanId, traceFlags } = span.spanContext()
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`
}

/** What a caller makes up is no label. */
function methodOf(method: string): string {
  return METHODS.has(method) ? method : '_OTHER'
}

function codeOf(error: unknown): string {
  return error instanceof GatewayError ? error.code : 'other'
}
