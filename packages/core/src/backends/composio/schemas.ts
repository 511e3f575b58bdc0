/** Composio's REST API v3.1 on the wire, as far as it is used; its names are known in this folder alone. */
import * as z from 'zod'

export const serverSchema = z.object({
  id: z.string(),
  name: z.string(),
  auth_config_ids: z.array(z.string()).default([]),
})

export const serverListSchema = z.object({ items: z.array(serverSchema).default([]) })

export const authConfigSchema = z.object({ toolkit: z.object({ slug: z.string() }) })

export const generatedUrlsSchema = z.object({ user_ids_url: z.array(z.string()).default([]) })

export const accountListSchema = z.object({
  items: z
    .array(
      z.object({
        id: z.string(),
        status: z.string(),
        auth_config: z.object({ id: z.string(), is_disabled: z.boolean().optional() }),
      }),
    )
    .default([]),
  next_cursor: z.string().nullish(),
})

export const linkSchema = z.object({
  redirect_url: z.string(),
  expires_at: z.string().optional(),
  connected_account_id: z.string().optional(),
})

export type WireServer = z.infer<typeof serverSchema>
export type WireAccount = z.infer<typeof accountListSchema>['items'][number]
export type WireLink = z.infer<typeof linkSchema>
