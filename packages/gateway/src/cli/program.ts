import type { McpFileClient } from '@latchkey/core'
import tab from '@bomb.sh/tab/commander'
import { Argument, Command, Option } from 'commander'
import { version } from '../version.ts'
import { EXIT_HELP } from './exitCodes.ts'

const USER = 'the user: the identifier that your app uses'
const CONFIG_FILE = 'latchkey.config.json'
const MCP_CLIENTS: readonly McpFileClient[] = ['claude', 'vscode', 'cursor', 'windsurf', 'inspector']

/** The `latchkey` command. What a subcommand needs is loaded only when it is called. */
export function createProgram(): Command {
  const program = new Command('latchkey')
    .description(
      'The tools of one user, for an AI agent: a gateway that issues a pre-authenticated MCP URL for each user.',
    )
    .version(version)
    .addHelpText('after', EXIT_HELP)
    .showHelpAfterError('(latchkey --help tells what there is)')
    .exitOverride()
  addServing(program)
  addConfig(program)
  addUsers(program)
  addKeys(program)
  addDoctor(program)
  // Reads all commands that there are, so it comes last. Adds `latchkey complete <shell>`.
  tab(program)
  return program
}

function addServing(program: Command): void {
  program
    .command('serve')
    .description('Start the gateway.')
    .option('-c, --config <file>', 'the configuration: JSON, or a TypeScript module', CONFIG_FILE)
    .option('--host <address>', 'the address to listen on', '127.0.0.1')
    .option(
      '-p, --port <number>',
      'the port to listen on (default: that of publicUrl on a loopback address, else 8787)',
    )
    .option('--metrics-port <number>', 'serve Prometheus metrics at /metrics there (default: nowhere)')
    .option('--metrics-host <address>', 'the address to serve metrics on', '127.0.0.1')
    .option('--drain-seconds <number>', 'serve on for so long after SIGTERM (default: 5; 0 on a loopback address)')
    .action(async (options) => await (await import('./serve.ts')).serve(options))
  program
    .command('dev')
    .description(
      'Start a gateway to try things with: makes keys, a secret and a first configuration, and prints what to paste.',
    )
    .option('-c, --config <file>', 'a configuration of your own (default: one is made in the folder)')
    .option('--folder <folder>', 'where what it makes is kept', '.latchkey')
    .option('-p, --port <number>', 'the port to listen on (default: 8787)')
    .action(async (options) => await (await import('./commands/dev.ts')).dev(options))
}

function addConfig(program: Command): void {
  const config = program
    .command('config')
    .description('Check a configuration file, or bring its MCP configs into a gateway.')
  config
    .command('validate')
    .description('Check a configuration file without starting anything.')
    .argument('[file]', 'the configuration', CONFIG_FILE)
    .addOption(envFile())
    .addOption(asJson())
    .action(async (file, options) => await (await import('./commands/configValidate.ts')).configValidate(file, options))
  withGateway(config.command('apply'))
    .description('Make or change the MCP configs of a running gateway, so that they are as the file says.')
    .argument('[file]', 'the configuration', CONFIG_FILE)
    .option('--dry-run', 'only print what would change')
    .action(async (file, options) => await (await import('./commands/configApply.ts')).configApply(file, options))
}

function addUsers(program: Command): void {
  withGateway(program.command('url'), { mcpConfig: true })
    .description("Print a user's pre-authenticated MCP URL. It is a secret.")
    .argument('<user>', USER)
    .addOption(
      new Option('--client <client>', 'print the configuration file of this MCP client instead').choices(MCP_CLIENTS),
    )
    .action(async (user, options) => await (await import('./commands/url.ts')).url(user, options))
  withGateway(program.command('status'), { mcpConfig: true })
    .description('Show how far a user is: every connection and its status. Ends with 3 while one is not ACTIVE.')
    .argument('<user>', USER)
    .option('-w, --watch', 'follow the changes until all are ACTIVE')
    .action(async (user, options) => await (await import('./commands/status.ts')).status(user, options))
  withGateway(program.command('connect'), { mcpConfig: true })
    .description('Show the links with which a user connects what is missing, and wait until that is done.')
    .argument('<user>', USER)
    .option('-o, --open', 'open the links in the browser')
    .option('--no-wait', 'only show the links')
    .option('--timeout <seconds>', 'how long to wait', '300')
    .action(async (user, options) => await (await import('./commands/connect.ts')).connect(user, options))
  withGateway(program.command('tools'), { mcpConfig: true })
    .description("List a user's tools, as the user's agent gets them.")
    .argument('<user>', USER)
    .action(async (user, options) => await (await import('./commands/tools.ts')).tools(user, options))
  withGateway(program.command('call'), { mcpConfig: true })
    .description('Call one tool of a user, once.')
    .argument('<user>', USER)
    .argument('<tool>', 'its name, as `latchkey tools` lists it')
    .argument('[arguments]', 'a JSON object, or - to read it from standard input (default: {})')
    .action(
      async (user, tool, args, options) => await (await import('./commands/call.ts')).call(user, tool, args, options),
    )
  withGateway(program.command('revoke'))
    .description('End everything of a user: URLs, tokens, calls under way, accounts, and the grants upstream.')
    .argument('<user>', USER)
    .option('-y, --yes', 'do not ask')
    .action(async (user, options) => await (await import('./commands/revoke.ts')).revoke(user, options))
  withGateway(program.command('rotate'), { mcpConfig: true })
    .description("Give a user's instance another MCP URL. The old one is dead at once.")
    .argument('<user>', USER)
    .option('-y, --yes', 'do not ask')
    .action(async (user, options) => await (await import('./commands/rotate.ts')).rotate(user, options))
}

function addKeys(program: Command): void {
  const keys = program
    .command('keys')
    .description('See and change the keys. Works on the database itself, with the configuration file of the gateway.')
  const command = (name: string) =>
    keys
      .command(name)
      .option('-c, --config <file>', 'the configuration', CONFIG_FILE)
      .addOption(envFile())
      .addOption(asJson())
  command('status')
    .description('Show the keys that there are, and what each still seals.')
    .action(async (options) => await (await import('./commands/keysStatus.ts')).keysStatus(options))
  command('rotate')
    .description('Make a new key. Prints what to change in the configuration, where the keys are kept there.')
    .addArgument(ringArgument())
    .action(async (name, options) => await (await import('./commands/keysRotate.ts')).keysRotate(name, options))
  command('retire')
    .description('End all that an old signing key made: every MCP URL that it derived is replaced.')
    .argument('<id>', 'the key, as `latchkey keys status` lists it')
    .option('-y, --yes', 'do not ask')
    .action(async (id, options) => await (await import('./commands/keysRetire.ts')).keysRetire(id, options))
}

function ringArgument(): Argument {
  return new Argument('[ring]', 'which keys').choices(['encryption', 'signing']).default('encryption')
}

function addDoctor(program: Command): void {
  withGateway(program.command('doctor'), { mcpConfig: true })
    .description('Find out what is wrong: with the gateway, and with the connections and tools of a user.')
    .argument('[user]', `${USER} (default: only the gateway is looked at)`)
    .option('-c, --config <file>', 'look at this configuration and its database too')
    .action(async (user, options) => await (await import('./commands/doctor.ts')).doctor(user, options))
}

function envFile(): Option {
  return new Option('--env-file <file>', 'read environment variables from a file, such as .latchkey/env')
}

function asJson(): Option {
  return new Option('--json', 'print JSON')
}

/** The options of a command that talks to a gateway. */
function withGateway(command: Command, { mcpConfig = false }: { mcpConfig?: boolean } = {}): Command {
  if (mcpConfig) {
    command.option('-m, --mcp-config <name>', 'the MCP config (default: LATCHKEY_CONFIG, or the only one there is)')
  }
  return command
    .option('--url <url>', "the gateway's address (default: LATCHKEY_URL)")
    .option('--client-id <id>', 'default: LATCHKEY_CLIENT_ID. The secret comes from LATCHKEY_CLIENT_SECRET')
    .addOption(envFile())
    .addOption(asJson())
}
