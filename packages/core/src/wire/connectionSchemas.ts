/** Connections on the wire. Ours: the hosted service has them in its dashboard. */
import * as z from 'zod'

const textSchema = z.string({ error: ({ input }) => (input === undefined ? 'is missing' : 'is not a string') })

/** Each kind has fields of its own, those of the configuration file in snake_case. */
const authRequestSchema = z.looseObject({ type: z.string().optional() })

export const connectionUpdateSchema = z.object({
  display_name: textSchema.optional(),
  provider: textSchema.optional(),
  /** A provider that the gateway knows, such as `notion`. */
  preset: textSchema.optional(),
  /** Not needed where the preset names one. */
  mcp_server_url: textSchema.optional(),
  /** Never taken: a caller of the API must not start programs on the gateway's machine. */
  command: z.never({ error: 'is for the configuration file only: no program is named over the API' }).optional(),
  pin_tools: z.boolean().optional(),
  /** Not needed with a preset, where that is all. Secrets are kept sealed and never shown again. */
  auth: authRequestSchema.optional(),
})

export const connectionRequestSchema = connectionUpdateSchema.extend({
  /** Up to 32 of a-z, 0-9, "-" and "_". */
  name: textSchema,
})

export const connectionSchema = z.object({
  id: z.string(),
  name: z.string(),
  display_name: z.string(),
  provider: z.string(),
  mcp_server_url: z.string().optional(),
  /** Of a connection whose upstream is a program, without its arguments, which may hold secrets. */
  command: z.string().optional(),
  pin_tools: z.boolean().optional(),
  /** `api` or `configuration`; what the configuration names is changed there. */
  source: z.string(),
  /** Without secrets: of each it says only that it is there, as `has_client_secret`. */
  auth: z.looseObject({ type: z.string() }),
})

export const connectionListSchema = z.object({ connections: z.array(connectionSchema).default([]) })

export type WireConnection = z.infer<typeof connectionSchema>
