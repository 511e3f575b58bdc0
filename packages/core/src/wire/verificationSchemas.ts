import * as z from 'zod'
import { userIdentifierSchema } from './schemas.ts'

/** Asks for a link; which account, either by `connector` and `identifier` or by `id`. */
export const magicLinkRequestSchema = z.object({
  /** The connection's name. */
  connector: z.string().max(100).optional(),
  identifier: userIdentifierSchema.optional(),
  /** The connected account's id. */
  id: z.string().max(100).optional(),
  /** Given back at `user_verify_url`, so that the app can tell that it began this itself. */
  state: z.string().min(1).max(1_024, 'is longer than 1,024 characters').optional(),
  /** Where the browser goes after the consent. */
  user_verify_url: z.string().max(2_048, 'is longer than 2,048 characters').optional(),
})

export const magicLinkSchema = z.object({
  link: z.string(),
  /** When the link stops working (RFC 3339). */
  expiry: z.string().optional(),
})

/** The app says who is signed in, by its own session, where the consent ended. */
export const verifyUserRequestSchema = z.object({
  auth_request_id: z.string({ error: 'is missing' }).min(1, 'is empty').max(256),
  identifier: userIdentifierSchema,
})

export const verifiedUserSchema = z.object({
  /** A page that says that the account is connected. */
  post_user_verify_redirect_url: z.string().optional(),
})
