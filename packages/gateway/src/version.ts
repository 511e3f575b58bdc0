import { readFileSync } from 'node:fs'
import * as z from 'zod'

const manifestSchema = z.object({ version: z.string() })

const manifest = manifestSchema.parse(JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')))

/** The version of this package. */
export const version: string = manifest.version
