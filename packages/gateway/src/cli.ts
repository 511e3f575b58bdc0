/** The `latchkey` command. Its exit codes are in `cli/exitCodes.ts`. */
import { createProgram } from './cli/program.ts'
import { reportOf } from './cli/report.ts'

try {
  await createProgram().parseAsync()
} catch (error) {
  const report = reportOf(error)
  if (typeof report === 'number') process.exitCode = report
  else {
    const { exitCode, code, message } = report
    process.exitCode = exitCode
    if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify({ error: { code, message } })}\n`)
    process.stderr.write(`latchkey: ${message}\n`)
  }
}
