import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { CommandError } from './commandError.ts'
import { EXIT } from './exitCodes.ts'

/** Reads variables from the file of `--env-file`. They win over the environment: the file was named for that. */
export function loadEnvironment({ envFile }: { readonly envFile?: string | undefined }): void {
  if (envFile === undefined) return
  try {
    Object.assign(process.env, parseEnv(readFileSync(envFile, 'utf8')))
  } catch {
    throw new CommandError(EXIT.usage, 'usage', `--env-file: ${envFile} cannot be read. Does it exist?`)
  }
}
