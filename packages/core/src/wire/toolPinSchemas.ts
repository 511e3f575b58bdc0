/** The pinned tools of a connection on the wire. Ours: the hosted service has nothing like it. */
import * as z from 'zod'

/** One definition of a tool, named so that nobody approves another one than was looked at. */
export const toolDefinitionSchema = z.object({
  /** As the upstream names it. */
  name: z.string().min(1),
  /** SHA-256 of the canonical definition, in base64url. */
  digest: z.string().min(1),
})

export const pinnedToolSchema = toolDefinitionSchema.extend({
  /** `APPROVED` or `QUARANTINED`. */
  state: z.string(),
  /** Canonical JSON, as a text; absent where it is too long to keep. */
  definition: z.string().optional(),
  /** Of a quarantined tool of which another definition is approved: what differs. Values are JSON, as texts. */
  changes: z
    .array(z.object({ member: z.string(), approved: z.string().optional(), listed: z.string().optional() }))
    .optional(),
  seen_at: z.string(),
  decided_at: z.string().optional(),
})

export const pinnedToolListSchema = z.object({
  tools: z.array(pinnedToolSchema).default([]),
  next_page_token: z.string().optional(),
  prev_page_token: z.string().optional(),
})

/** Exactly these definitions, or whatever is in quarantine. */
export const approveToolsRequestSchema = z
  .object({ tools: z.array(toolDefinitionSchema).min(1).max(1000).optional(), all: z.literal(true).optional() })
  .refine(({ tools, all }) => (tools === undefined) !== (all === undefined), 'needs either tools or all')

export const quarantineToolsRequestSchema = z.object({ tools: z.array(toolDefinitionSchema).min(1).max(1000) })

export const decidedToolsSchema = z.object({ tools: z.array(pinnedToolSchema) })

export type WirePinnedTool = z.infer<typeof pinnedToolSchema>
