import { readFile } from 'node:fs/promises'
import { dirname, extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { GatewayError } from '../errors.ts'
import { parseOptions, type ParsedOptions } from './parseOptions.ts'
import type { Environment } from './resolveEnvironment.ts'

/**
 * Reads a configuration file: JSON, or a TypeScript or JavaScript module whose default export is the configuration.
 * A relative database path starts from the file's folder.
 *
 * @throws GatewayError `configuration`, which names the file.
 */
export async function loadConfigFile(path: string, environment: Environment = process.env): Promise<ParsedOptions> {
  const file = resolve(path)
  const options = extname(file) === '.json' ? await readJson(file) : await importModule(file)
  try {
    return parseOptions(options, { environment, directory: dirname(file) })
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    throw new GatewayError(error.code, `${file}: ${error.message}`)
  }
}

async function readJson(file: string): Promise<unknown> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new GatewayError('configuration', `${file} cannot be read. Does it exist?`, { cause: error })
  })
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new GatewayError('configuration', `${file} is not JSON${position(error, text)}.`)
  }
}

/** The engine's message quotes the text, which may be a secret; only the place is taken from it. */
function position(error: unknown, text: string): string {
  const [, offset] = (error instanceof Error && /at position (\d+)/.exec(error.message)) || []
  if (offset === undefined) return ''
  const before = text.slice(0, Number(offset)).split('\n')
  return ` (line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1})`
}

async function importModule(file: string): Promise<unknown> {
  try {
    const module: { default?: unknown } = await import(pathToFileURL(file).href)
    if (module.default !== undefined) return module.default
  } catch (error) {
    throw new GatewayError('configuration', `${file} cannot be loaded: ${reason(error)}`, { cause: error })
  }
  throw new GatewayError('configuration', `${file} has no default export. Export the configuration as the default.`)
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : 'it threw something that is not an error'
}
