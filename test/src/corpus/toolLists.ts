import { readdirSync, readFileSync } from 'node:fs'
import * as z from 'zod'

const listSchema = z.object({
  package: z.string(),
  version: z.string(),
  licence: z.enum(['MIT', 'Apache-2.0']),
  tools: z.array(
    z.object({
      name: z.string(),
      description: z.string().optional(),
      inputSchema: z.looseObject({ type: z.literal('object') }),
    }),
  ),
})

/** The tools of one published MCP server, as it lists them. */
export type ToolList = z.infer<typeof listSchema>

const LISTS = new URL('./lists/', import.meta.url)

/** The tools of every server that was recorded. */
export function toolLists(): readonly ToolList[] {
  const files = readdirSync(LISTS).toSorted()
  return files.map((file) => listSchema.parse(JSON.parse(readFileSync(new URL(file, LISTS), 'utf8'))))
}
