import { serve as listen, type ServerType } from '@hono/node-server'
import { once } from 'node:events'
import { loadConfigFile } from '../config/loadConfigFile.ts'
import type { ParsedOptions } from '../config/parseOptions.ts'
import { GatewayError } from '../errors.ts'
import { assembleGateway } from '../gateway.ts'
import { createLinePrinter } from './createLinePrinter.ts'
import { stopServing } from './stopServing.ts'

const DEFAULT_PORT = 8787

export interface ServeOptions {
  readonly config: string
  readonly host: string
  readonly port?: string
}

/** `latchkey serve`: listens until SIGTERM or SIGINT, then lets what is under way end. Log lines go to standard output. */
export async function serve({ config, host, port }: ServeOptions): Promise<void> {
  const options = await loadConfigFile(config)
  const wantedPort = portToListenOn(options, port)
  const gateway = await assembleGateway({ ...options, log: createLinePrinter(process.stdout) })
  try {
    const server = listen({ fetch: gateway.fetch, hostname: host, port: wantedPort })
    await listening(server, host, wantedPort)
    announce(options, host, wantedPort)
    await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
    await stopServing(server, gateway)
  } catch (error) {
    await gateway.close()
    throw error
  }
}

function portToListenOn({ publicUrl, isLoopback }: ParsedOptions, port: string | undefined): number {
  const ofUrl = isLoopback ? Number(publicUrl.port || 80) : undefined
  if (port === undefined) return ofUrl ?? DEFAULT_PORT
  const wanted = Number(port)
  if (!/^\d{1,5}$/.test(port) || wanted < 1 || wanted > 65_535) {
    throw new GatewayError('configuration', `--port ${port} is not a port between 1 and 65535.`)
  }
  if (ofUrl !== undefined && ofUrl !== wanted) {
    throw new GatewayError(
      'configuration',
      `--port is ${wanted}, but publicUrl is ${publicUrl.origin}: the URLs that the gateway issues would lead nowhere. ` +
        'Change one of the two.',
    )
  }
  return wanted
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
