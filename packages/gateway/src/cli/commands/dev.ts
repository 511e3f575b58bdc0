import { relative } from 'node:path'
import { loadConfigFile } from '../../config/loadConfigFile.ts'
import { isLoopback } from '../../config/isLoopback.ts'
import type { ConnectionDefinition, ParsedOptions } from '../../config/parseOptions.ts'
import type { LogRecord } from '../../http/requestLog.ts'
import { CommandError } from '../commandError.ts'
import { DEMO_HEADER, startDemoServer } from '../demoServer.ts'
import { openDevFolder } from '../devFolder.ts'
import { EXIT } from '../exitCodes.ts'
import { paint } from '../output.ts'
import { serve } from '../serve.ts'

export interface DevOptions {
  readonly config?: string | undefined
  readonly folder: string
  readonly port?: string | undefined
}

const DEFAULT_PORT = 8787

/** `latchkey dev`: a gateway to try things with, on this machine only, with everything that it needs made up. */
export async function dev({ config, folder, port }: DevOptions): Promise<void> {
  const made = await openDevFolder(folder, Number(port ?? DEFAULT_PORT))
  // The secret of another gateway may be in the environment; the configuration that was made here means the one here.
  process.env.LATCHKEY_CLIENT_SECRET =
    config === undefined ? made.clientSecret : process.env.LATCHKEY_CLIENT_SECRET || made.clientSecret
  const configFile = config ?? made.configFile
  const options = await loadConfigFile(configFile)
  if (!options.isLoopback) {
    throw new CommandError(
      EXIT.usage,
      'usage',
      `dev is for a loopback publicUrl such as http://127.0.0.1:${DEFAULT_PORT}. For ${options.publicUrl.origin}: latchkey serve.`,
    )
  }
  const demo = options.connections.find(isDemo)
  await using running = new AsyncDisposableStack()
  if (demo !== undefined) running.use(await startDemoServer(Number(new URL(demo.mcpServerUrl).port)))
  const envFile = config === undefined ? made.envFile : undefined
  await serve({
    config: configFile,
    host: '127.0.0.1',
    ...(port !== undefined && { port }),
    log: printRequest,
    announce: (served) => process.stdout.write(welcome(served, { configFile, envFile })),
  })
}

/** The connection that `dev` made: its MCP server runs in this process. */
function isDemo({ name, mcpServerUrl, auth }: ConnectionDefinition): boolean {
  const isOurs = name === 'demo' && auth.type === 'api_key' && 'header' in auth && auth.header === DEMO_HEADER
  return isOurs && isLoopback(new URL(mcpServerUrl))
}

/** What a person who starts it can paste. It holds the client's secret, which is good on this machine only. */
function welcome(
  { publicUrl, clients, configs, connections }: ParsedOptions,
  { configFile, envFile }: { readonly configFile: string; readonly envFile: string | undefined },
): string {
  const [client] = clients
  const [config] = configs
  const user = 'alice'
  const command = `latchkey connect ${user}${envFile === undefined ? '' : ` --env-file ${relative('.', envFile)}`}`
  const lines = [
    `${paint('bold', 'Latchkey')} serves ${publicUrl.origin}, on this machine only. Stop it with Ctrl-C.`,
    `It is set up in ${relative('.', configFile)}: ${connections.map(({ name }) => name).join(', ')}. Change it, and start again.`,
    '',
    paint('bold', 'For your app:'),
    `  export LATCHKEY_URL=${publicUrl.origin}`,
    `  export LATCHKEY_CLIENT_ID=${client?.clientId ?? ''}`,
    `  export LATCHKEY_CLIENT_SECRET=${client?.clientSecret.reveal() ?? ''}`,
    ...(config === undefined ? [] : [`  export LATCHKEY_CONFIG=${config.name}`]),
    '',
    paint('bold', `Connect a user (in another terminal):`),
    `  ${command}`,
    '',
    paint('bold', 'See that it answers:'),
    `  curl ${publicUrl.origin}/ready`,
    '',
    paint('bold', 'Use it:'),
    `  import { getUserTools } from '@latchkey/vercel-ai'`,
    `  const tools = await getUserTools('${user}'${config === undefined ? '' : `, { config: '${config.name}' }`})`,
    '',
    '',
  ]
  return lines.join('\n')
}

/** A short line for each request; whatever else happens as it is. */
function printRequest(record: LogRecord): void {
  const { message, method, route, status, durationMs } = record
  if (message === 'audit') return
  const isRequest = message === 'request'
  const line = isRequest
    ? `${String(method)} ${String(route)} ${String(status)} ${String(durationMs)} ms`
    : JSON.stringify(record)
  process.stderr.write(`${line}\n`)
}
