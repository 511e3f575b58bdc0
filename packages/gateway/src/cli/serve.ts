import { serve as listen, type ServerType } from '@hono/node-server'
import { once } from 'node:events'
import { loadConfigFile } from '../config/loadConfigFile.ts'
import type { ParsedOptions } from '../config/parseOptions.ts'
import { GatewayError } from '../errors.ts'
import type { LogSink } from '../http/requestLog.ts'
import { assembleGateway } from '../gateway.ts'
import { createLinePrinter } from './createLinePrinter.ts'
import { serveMetrics } from './serveMetrics.ts'
import { stopServing } from './stopServing.ts'
import { untilStopped } from './untilStopped.ts'

const DEFAULT_PORT = 8787

export interface ServeOptions {
  readonly config: string
  readonly host: string
  readonly port?: string
  /** Where Prometheus finds `/metrics`. Default: nowhere. */
  readonly metricsPort?: string
  readonly metricsHost?: string
  /** For how many seconds requests may still come after SIGTERM. Default: 5; 0 on a loopback address. */
  readonly drainSeconds?: string
  /** Where log lines go. Default: to standard output, as JSON. */
  readonly log?: LogSink
  /** Says that it listens. Default: one line on standard error. */
  readonly announce?: (options: ParsedOptions, host: string, port: number) => void
}

/** `latchkey serve`: listens until SIGTERM or SIGINT, then lets what is under way end. Log lines go to standard output. */
export async function serve({ config, host, port, ...asked }: ServeOptions): Promise<void> {
  const options = await loadConfigFile(config)
  const wantedPort = portToListenOn(options, port)
  const metricsPort = asked.metricsPort === undefined ? undefined : readPort('--metrics-port', asked.metricsPort)
  const drainMs = readSeconds(asked.drainSeconds ?? (options.isLoopback ? '0' : '5')) * 1000
  const telemetry = telemetryOf(options, metricsPort !== undefined)
  const gateway = await assembleGateway({ ...options, telemetry, log: asked.log ?? createLinePrinter(process.stdout) })
  try {
    const server = listen({ fetch: gateway.fetch, hostname: host, port: wantedPort })
    await listening(server, host, wantedPort)
    const { metrics } = gateway
    if (metrics !== undefined && metricsPort !== undefined) {
      await serveMetrics({ metrics, host: asked.metricsHost ?? '127.0.0.1', port: metricsPort })
    }
    const sayThatItListens = asked.announce ?? announce
    // Before it is said: whoever reads it may send a signal at once.
    const stopped = untilStopped({ gateway, drainMs })
    sayThatItListens(options, host, wantedPort)
    await stopped
    await stopServing(server, gateway)
  } catch (error) {
    await gateway.close()
    throw error
  }
}

function portToListenOn({ publicUrl, isLoopback }: ParsedOptions, port: string | undefined): number {
  const ofUrl = isLoopback ? Number(publicUrl.port || 80) : undefined
  if (port === undefined) return ofUrl ?? DEFAULT_PORT
  const wanted = readPort('--port', port)
  if (ofUrl !== undefined && ofUrl !== wanted) {
    throw new GatewayError(
      'configuration',
      `--port is ${wanted}, but publicUrl is ${publicUrl.origin}: the URLs that the gateway issues would lead nowhere. ` +
        'Change one of the two.',
    )
  }
  return wanted
}

function readPort(option: string, port: string): number {
  const wanted = Number(port)
  if (/^\d{1,5}$/.test(port) && wanted >= 1 && wanted <= 65_535) return wanted
  throw new GatewayError('configuration', `${option} ${port} is not a port between 1 and 65535.`)
}

function readSeconds(seconds: string): number {
  if (/^\d{1,4}$/.test(seconds)) return Number(seconds)
  throw new GatewayError('configuration', `--drain-seconds ${seconds} is not a number of seconds.`)
}

/** What the configuration says; else what OpenTelemetry's own variables say. */
function telemetryOf({ telemetry }: ParsedOptions, wantsPrometheus: boolean): ParsedOptions['telemetry'] {
  const { env } = process
  const isCollected =
    env.OTEL_SDK_DISABLED !== 'true' &&
    [
      env.OTEL_EXPORTER_OTLP_ENDPOINT,
      env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
      env.OTEL_EXPORTER_OTLP_METRICS_ENDPOINT,
    ].some(Boolean)
  const otlp = telemetry.otlp ?? (isCollected ? 'environment' : undefined)
  return { ...telemetry, otlp, prometheus: telemetry.prometheus || wantsPrometheus }
}

async function listening(server: ServerType, host: string, port: number): Promise<void> {
  if (server.listening) return
  await once(server, 'listening').catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === 'EADDRINUSE' ? 'something else listens there already' : (error.code ?? 'unknown')
    throw new GatewayError('configuration', `Cannot listen on ${host}:${port}: ${reason}.`, { cause: error })
  })
}

function announce({ publicUrl, connections, configs }: ParsedOptions, host: string, port: number): void {
  process.stderr.write(
    `Latchkey serves ${publicUrl.origin} (listening on ${host}:${port}), with ` +
      `${count(connections.length, 'connection')} and ${count(configs.length, 'MCP config')}. Stop it with Ctrl-C.\n`,
  )
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
