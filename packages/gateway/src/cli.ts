/** The `latchkey` command. Exit codes: 0 done, 1 it failed, 2 it was called wrongly. */
import { Command, CommanderError } from 'commander'
import { serve } from './cli/serve.ts'
import { GatewayError } from './errors.ts'
import { version } from './version.ts'

const program = new Command('latchkey')
  .description(
    'The tools of one user, for an AI agent: a gateway that issues a pre-authenticated MCP URL for each user.',
  )
  .version(version)
  .exitOverride()

program
  .command('serve')
  .description('Start the gateway.')
  .option('-c, --config <file>', 'the configuration: JSON, or a TypeScript module', 'latchkey.config.json')
  .option('--host <address>', 'the address to listen on', '127.0.0.1')
  .option('-p, --port <number>', 'the port to listen on (default: that of publicUrl on a loopback address, else 8787)')
  .option('--metrics-port <number>', 'serve Prometheus metrics at /metrics there (default: nowhere)')
  .option('--metrics-host <address>', 'the address to serve metrics on', '127.0.0.1')
  .option('--drain-seconds <number>', 'serve on for so long after SIGTERM (default: 5; 0 on a loopback address)')
  .action(serve)

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = report(error)
}

function report(error: unknown): number {
  // Commander has printed its own message already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  const message = error instanceof GatewayError ? error.message : describe(error)
  process.stderr.write(`latchkey: ${message}\n`)
  return 1
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : 'Something went wrong.'
}
