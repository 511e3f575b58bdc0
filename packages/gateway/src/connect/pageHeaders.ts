import { createHash } from 'node:crypto'
import { SCRIPT } from './script.ts'
import { STYLE } from './style.ts'

/**
 * What every answer of these routes carries (security T7): nothing is loaded from elsewhere, nothing is remembered,
 * nobody may frame it, and the address, which is a secret, goes to nobody as the referrer.
 */
export function createPageHeaders(publicUrl: URL): Readonly<Record<string, string>> {
  const policy = [
    "default-src 'none'",
    `style-src '${integrity(STYLE)}'`,
    `script-src '${integrity(SCRIPT)}'`,
    "connect-src 'self'",
    `form-action ${formTargets(publicUrl)}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ]
  return {
    'cache-control': 'no-store',
    'content-security-policy': policy.join('; '),
    'cross-origin-opener-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
  }
}

/**
 * Browsers hold the redirect that answers a form to `form-action` too, and which provider it leads to is not known until
 * the button is pressed: opening a page asks no provider anything. (A policy cannot name `[::1]`.)
 */
function formTargets(publicUrl: URL): string {
  return publicUrl.protocol === 'https:' ? "'self' https:" : "'self' https: http://127.0.0.1:* http://localhost:*"
}

function integrity(source: string): string {
  return `sha256-${createHash('sha256').update(source).digest('base64')}`
}
