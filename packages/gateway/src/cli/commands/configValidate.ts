import { loadConfigFile } from '../../config/loadConfigFile.ts'
import type { ParsedOptions } from '../../config/parseOptions.ts'
import { GatewayError } from '../../errors.ts'
import { CommandError } from '../commandError.ts'
import { EXIT } from '../exitCodes.ts'
import { loadEnvironment } from '../loadEnvironment.ts'
import { count, createOutput, paint } from '../output.ts'

export interface ConfigValidateOptions {
  readonly json?: boolean | undefined
  readonly envFile?: string | undefined
}

/** `latchkey config validate [file]`: what is wrong with it, all at once; or what it says. */
export async function configValidate(file: string, options: ConfigValidateOptions): Promise<void> {
  const output = createOutput(options)
  loadEnvironment(options)
  const parsed = await load(file)
  const { publicUrl, connections, configs, database, userVerification } = parsed
  output.line(paint('green', `${file} is valid.`))
  output.line(`  served at     ${publicUrl.origin}`)
  output.line(`  database      ${database.kind}`)
  output.line(`  verification  ${userVerification === undefined ? 'off: nobody checks who consented' : 'on'}`)
  output.line(`  connections   ${connections.map(({ name }) => name).join(', ')}`)
  output.line(`  MCP configs   ${configs.map(({ name }) => name).join(', ') || 'none'}`)
  output.line(
    `  clients       ${count(parsed.clients.length, 'client')}: ${parsed.clients.map(({ clientId }) => clientId).join(', ')}`,
  )
  output.json({ valid: true, ...summary(parsed) })
}

function summary({ publicUrl, database, userVerification, connections, configs, clients }: ParsedOptions) {
  return {
    publicUrl: publicUrl.origin,
    database: database.kind,
    userVerification: userVerification === undefined ? 'off' : 'on',
    connections: connections.map(({ name, mcpServerUrl, program, auth }) => ({
      name,
      ...(program === undefined ? { mcpServerUrl } : { command: program.command }),
      auth: auth.type,
    })),
    configs,
    clients: clients.map(({ clientId }) => clientId),
  }
}

async function load(file: string): Promise<ParsedOptions> {
  try {
    return await loadConfigFile(file)
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    throw new CommandError(EXIT.failed, 'configuration', error.message)
  }
}
