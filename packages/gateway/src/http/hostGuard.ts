import type { MiddlewareHandler } from 'hono'

const LOOPBACK_NAMES = ['127.0.0.1', 'localhost', '[::1]']

/**
 * Refuses requests that name another host or come from another origin's page, so that a web page cannot reach a gateway
 * on the reader's own machine (DNS rebinding; MCP 2026-07-28, "Security & Endpoint").
 *
 * A page with `Referrer-Policy: no-referrer`, as ours are, posts its forms with `Origin: null`; the browser then vouches
 * for them with `Sec-Fetch-Site: same-origin`, which no page can forge.
 */
export function createHostGuard(publicUrl: URL): MiddlewareHandler {
  const hosts = allowedHosts(publicUrl)
  const origins = new Set([...hosts].map((host) => `${publicUrl.protocol}//${host}`))
  return async (context, next) => {
    const host = context.req.header('host')
    if (host === undefined || !hosts.has(host.toLowerCase()) || !isUrlOf(context.req.url, host, hosts)) {
      return context.json({ code: 'PERMISSION_DENIED', message: 'This host is not served here.', details: [] }, 403)
    }
    const origin = context.req.header('origin')
    if (origin !== undefined && !origins.has(origin) && !isOwnForm(origin, context.req.header('sec-fetch-site'))) {
      return context.json({ code: 'PERMISSION_DENIED', message: 'This origin may not call here.', details: [] }, 403)
    }
    return next()
  }
}

/** A request line may name a host of its own (absolute form): it has to be one of ours too. */
function isUrlOf(url: string, host: string, hosts: ReadonlySet<string>): boolean {
  const start = url.indexOf('://') + 3
  if (url.startsWith(host, start) && url[start + host.length] === '/') return true
  return hosts.has(new URL(url).host)
}

function isOwnForm(origin: string, fetchSite: string | undefined): boolean {
  return origin === 'null' && fetchSite === 'same-origin'
}

function allowedHosts({ host, hostname, port }: URL): ReadonlySet<string> {
  const names = LOOPBACK_NAMES.includes(hostname) ? LOOPBACK_NAMES : [hostname]
  const suffix = port === '' ? '' : `:${port}`
  return new Set([host, ...names.map((name) => `${name}${suffix}`)])
}
