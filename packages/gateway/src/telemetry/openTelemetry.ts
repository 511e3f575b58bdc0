import type { MeterProvider, TracerProvider } from '@opentelemetry/api'
import type { IMetricReader } from '@opentelemetry/sdk-metrics'
import type { TelemetrySettings } from '../config/optionsSchema.ts'

export interface OpenedTelemetry {
  readonly tracerProvider: TracerProvider | undefined
  readonly meterProvider: MeterProvider | undefined
  /** In the text format of Prometheus; undefined where that is off. */
  readonly metrics: (() => Promise<string>) | undefined
  readonly close: () => Promise<void>
}

export interface OpenTelemetryOptions {
  readonly settings: TelemetrySettings
  readonly version: string
}

/** How long the last spans and metrics may take to be sent when the gateway closes, in milliseconds. */
const FLUSH_MS = 3000

/** What the options ask for, and no more; the SDK is loaded only where something is. Undefined: nothing is. */
export async function openTelemetry({ settings, version }: OpenTelemetryOptions): Promise<OpenedTelemetry | undefined> {
  const { otlp, prometheus, tracerProvider, meterProvider } = settings
  if (otlp === undefined && !prometheus) {
    if (tracerProvider === undefined && meterProvider === undefined) return undefined
    return { tracerProvider, meterProvider, metrics: undefined, close: async () => {} }
  }
  const resource = await describeService(version)
  const traces = tracerProvider === undefined ? await openTraces(otlp, resource) : undefined
  const { metrics, provider } = await openMetrics({ otlp, prometheus, resource })
  return {
    tracerProvider: tracerProvider ?? traces,
    meterProvider: meterProvider ?? provider,
    metrics,
    close: async () => {
      // A collector that is gone must not keep the gateway from ending.
      const ends = [traces?.shutdown(), provider.shutdown()].map((end) => Promise.resolve(end).catch(() => {}))
      await Promise.race([Promise.all(ends), afterMs(FLUSH_MS)])
    },
  }
}

async function describeService(version: string) {
  const { defaultResource, detectResources, envDetector, resourceFromAttributes } =
    await import('@opentelemetry/resources')
  const ours = resourceFromAttributes({ 'service.name': 'latchkey', 'service.version': version })
  // What the environment says wins: OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES.
  return defaultResource()
    .merge(ours)
    .merge(detectResources({ detectors: [envDetector] }))
}

type Otlp = TelemetrySettings['otlp']
type Resource = Awaited<ReturnType<typeof describeService>>

async function openTraces(otlp: Otlp, resource: Resource) {
  if (otlp === undefined) return undefined
  const { TracerProvider: Provider, BatchSpanProcessor } = await import('@opentelemetry/sdk-trace')
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http')
  const exporter = new OTLPTraceExporter(collectorOf(otlp, 'v1/traces'))
  return new Provider({ resource, spanProcessors: [new BatchSpanProcessor({ exporter })] })
}

async function openMetrics({ otlp, prometheus, resource }: { otlp: Otlp; prometheus: boolean; resource: Resource }) {
  const { MeterProvider: Provider, PeriodicExportingMetricReader } = await import('@opentelemetry/sdk-metrics')
  const readers: IMetricReader[] = []
  if (otlp !== undefined) {
    const { OTLPMetricExporter } = await import('@opentelemetry/exporter-metrics-otlp-http')
    const exporter = new OTLPMetricExporter(collectorOf(otlp, 'v1/metrics'))
    readers.push(new PeriodicExportingMetricReader({ exporter }))
  }
  const { PrometheusExporter, PrometheusSerializer } = await import('@opentelemetry/exporter-prometheus')
  const reader = prometheus ? new PrometheusExporter({ preventServerStart: true }) : undefined
  if (reader !== undefined) readers.push(reader)
  const metrics = reader && (async () => new PrometheusSerializer().serialize((await reader.collect()).resourceMetrics))
  return { metrics, provider: new Provider({ resource, readers }) }
}

/** Without arguments the exporters follow the environment. */
function collectorOf(otlp: Exclude<Otlp, undefined>, path: string) {
  if (otlp === 'environment') return {}
  const url = new URL(path, otlp.endpoint.endsWith('/') ? otlp.endpoint : `${otlp.endpoint}/`).href
  const headers = Object.fromEntries(Object.entries(otlp.headers).map(([name, value]) => [name, value.reveal()]))
  return { url, headers }
}

async function afterMs(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds).unref())
}
