import { createInterface } from 'node:readline/promises'
import { CommandError } from './commandError.ts'
import { EXIT } from './exitCodes.ts'

/** Asks before something that cannot be undone. Where nobody can be asked, `--yes` has to have been given. */
export async function confirm(question: string, { yes = false }: { yes?: boolean | undefined }): Promise<void> {
  if (yes) return
  if (!process.stdin.isTTY) {
    throw new CommandError(EXIT.usage, 'usage', `${question} Nobody can be asked here: give --yes if that is meant.`)
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await terminal.question(`${question} Type "yes" to go on: `)
    if (answer.trim().toLowerCase() === 'yes') return
  } finally {
    terminal.close()
  }
  throw new CommandError(EXIT.failed, 'declined', 'Nothing was done.')
}
