import * as z from 'zod'
import { UNAVAILABLE_META_KEY } from '../wire/constants.ts'
import type { ToolReport } from './userTools.ts'

const unavailableSchema = z.array(z.object({ connection: z.string(), reason: z.string() }))

/** What was changed or left out, from the list's names and its `_meta`. */
export function toToolReport(
  mcpNames: readonly string[],
  names: ReadonlyMap<string, string>,
  meta: Readonly<Record<string, unknown>> | undefined,
): ToolReport {
  return {
    renamed: [...names].flatMap(([mcpName, name]) => (name === mcpName ? [] : [{ mcpName, name }])),
    dropped: mcpNames
      .filter((mcpName, index) => !names.has(mcpName) || mcpNames.indexOf(mcpName) !== index)
      .map((mcpName) => ({ mcpName, reason: 'its name cannot be told apart from that of another tool' })),
    unavailable: unavailableIn(meta),
  }
}

/** The connections whose tools are missing from a list, as its `_meta` says. */
export function unavailableIn(meta: Readonly<Record<string, unknown>> | undefined): ToolReport['unavailable'] {
  const unavailable = unavailableSchema.safeParse(meta?.[UNAVAILABLE_META_KEY])
  return unavailable.success ? unavailable.data : []
}
