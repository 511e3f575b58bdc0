import { randomBytes } from 'node:crypto'

export interface VerificationPage {
  readonly status: 200 | 400 | 401 | 403 | 404 | 405 | 502
  readonly title: string
  /** What to do next. */
  readonly text: string
  /** Told to the page that opened this one, which is then closed. */
  readonly connected?: { readonly connection: string; readonly origin: string } | undefined
}

const STYLE = `:root{color-scheme:light dark}body{margin:0;min-height:100vh;display:grid;place-items:center;padding:24px;font:16px/1.5 system-ui,sans-serif}main{max-width:26rem;text-align:center}h1{font-size:1.35rem;margin:0 0 .5rem}p{margin:0;opacity:.75}`

/** A small page that loads nothing from elsewhere, works without its script, and holds no secret. */
export function verificationPage(page: VerificationPage, headers: Record<string, string> = {}): Response {
  const nonce = randomBytes(16).toString('base64')
  const script = page.connected ? `<script nonce="${nonce}">${scriptOf(page.connected)}</script>` : ''
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${page.title}</title>
<style nonce="${nonce}">${STYLE}</style>
</head>
<body><main><h1>${page.title}</h1><p>${page.text}</p></main>${script}</body>
</html>
`
  return new Response(html, {
    status: page.status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'content-security-policy': `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      ...headers,
    },
  })
}

/**
 * Providers' pages may have cut the tie to the page that opened the popup (Cross-Origin-Opener-Policy), so it is told
 * in two ways; both reach pages of the app's own origin only. The address, whose request is used up, leaves the history.
 */
function scriptOf({ connection, origin }: NonNullable<VerificationPage['connected']>): string {
  const message = inScript({ type: 'latchkey.connected', connection })
  return `
history.replaceState(null, '', location.pathname)
const message = ${message}
try { new BroadcastChannel('latchkey').postMessage(message) } catch {}
try { if (window.opener) window.opener.postMessage(message, ${inScript(origin)}) } catch {}
window.close()
`
}

/** JSON that cannot end the script element. */
function inScript(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c')
}
