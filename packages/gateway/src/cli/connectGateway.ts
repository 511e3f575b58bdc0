import {
  createLatchkey,
  latchkeyGateway,
  type GatewayBackend,
  type GatewayManagement,
  type Latchkey,
} from '@latchkey/core'
import { CommandError } from './commandError.ts'
import { EXIT } from './exitCodes.ts'
import { loadEnvironment } from './loadEnvironment.ts'
import { shown } from './shown.ts'

/** The options that every command takes which talks to a gateway. */
export interface GatewayAccess {
  readonly url?: string | undefined
  readonly clientId?: string | undefined
  readonly envFile?: string | undefined
  readonly mcpConfig?: string | undefined
  readonly json?: boolean | undefined
}

export interface ConnectedGateway extends AsyncDisposable {
  readonly url: string
  readonly latchkey: Latchkey
  readonly backend: GatewayBackend
  readonly manage: GatewayManagement
  /** The MCP config that was named, or the only one that there is. */
  readonly configName: () => Promise<string>
}

/** The gateway that the options and the environment name. Makes no request. */
export function connectGateway(options: GatewayAccess): ConnectedGateway {
  loadEnvironment(options)
  const url = required(options.url ?? process.env.LATCHKEY_URL, "the gateway's address", '--url or LATCHKEY_URL')
  const id = options.clientId ?? process.env.LATCHKEY_CLIENT_ID
  const clientId = required(id, 'a client id', '--client-id or LATCHKEY_CLIENT_ID')
  // Not as an option: everybody on the machine can read what a process was called with.
  const clientSecret = required(process.env.LATCHKEY_CLIENT_SECRET, "the client's secret", 'LATCHKEY_CLIENT_SECRET')
  const backend = createBackend({ url, clientId, clientSecret })
  const latchkey = createLatchkey({ backend })
  return {
    url,
    latchkey,
    backend,
    manage: backend.manage,
    configName: async () => options.mcpConfig ?? (process.env.LATCHKEY_CONFIG || (await onlyConfig(backend.manage))),
    [Symbol.asyncDispose]: async () => await latchkey.close(),
  }
}

function required(value: string | undefined, what: string, ways: string): string {
  if (value !== undefined && value !== '') return value
  throw new CommandError(EXIT.usage, 'usage', `It needs ${what}: set ${ways}.`)
}

function createBackend(options: { url: string; clientId: string; clientSecret: string }): GatewayBackend {
  try {
    return latchkeyGateway(options)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new CommandError(EXIT.usage, 'usage', `The gateway's address cannot be used: ${error.message}.`)
  }
}

async function onlyConfig(manage: GatewayManagement): Promise<string> {
  const names = (await manage.listConfigs()).map(({ name }) => name)
  const [only, ...others] = names
  if (only === undefined) {
    throw new CommandError(
      EXIT.notFound,
      'unknown_config',
      'The gateway has no MCP config yet. Make one: latchkey config apply.',
    )
  }
  if (others.length === 0) return only
  const known = names.map(shown).join(', ')
  throw new CommandError(
    EXIT.usage,
    'usage',
    `Which MCP config? Name it with --mcp-config or LATCHKEY_CONFIG: ${known}.`,
  )
}
