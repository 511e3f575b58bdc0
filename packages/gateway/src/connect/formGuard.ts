import type { Context } from 'hono'
import type { Keys } from '../services.ts'
import type { createCookies } from './cookies.ts'
import { isSame } from './digests.ts'

/** Whether a form came from our own page in the same browser (security T35). */
export function createFormGuard(
  publicUrl: URL,
  keys: Pick<Keys, 'digest'>,
  cookies: ReturnType<typeof createCookies>,
): {
  /** For the form's hidden field. */
  csrfToken(context: Context, linkToken: string): string
  accepts(context: Context, linkToken: string, csrfToken: string): boolean
} {
  const digest = (page: string, linkToken: string) => keys.digest('connect-csrf', page, linkToken)
  return {
    csrfToken: (context, linkToken) => digest(cookies.ensurePage(context), linkToken),
    accepts(context, linkToken, csrfToken) {
      const page = cookies.page(context)
      if (page === undefined || !isSameOrigin(context, publicUrl)) return false
      return isSame(csrfToken, digest(page, linkToken))
    },
  }
}

/**
 * `Origin: null` is what browsers send from pages with `Referrer-Policy: no-referrer`, as ours are; `Sec-Fetch-Site` then
 * tells where the form was, and in browsers that have none the token decides alone.
 */
function isSameOrigin(context: Context, publicUrl: URL): boolean {
  const site = context.req.header('sec-fetch-site')
  if (site !== undefined && site !== 'same-origin') return false
  const origin = context.req.header('origin')
  if (origin === undefined || origin === 'null') return true
  const { protocol, host } = URL.parse(origin) ?? {}
  return protocol === publicUrl.protocol && (host === publicUrl.host || host === context.req.header('host'))
}
