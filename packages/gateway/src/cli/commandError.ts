/** Ends the command. The message says what happened, to whom, and what to do. */
export class CommandError extends Error {
  readonly exitCode: number
  /** For `--json`. */
  readonly code: string

  constructor(exitCode: number, code: string, message: string) {
    super(message)
    this.name = 'CommandError'
    this.exitCode = exitCode
    this.code = code
  }
}
