import { connect, type PeerCertificate } from 'node:tls'
import { once } from 'node:events'

/** What came of asking an address for `GET /ready`. */
export type Reached =
  | { readonly kind: 'answered'; readonly status: number; readonly body: string; readonly skewMs: number | undefined }
  | { readonly kind: 'redirected'; readonly to: string }
  | { readonly kind: 'failed'; readonly code: string }

const TIMEOUT_MS = 5_000

/** Asks once, follows nothing, and never throws. */
export async function reach(url: string): Promise<Reached> {
  const startedAt = Date.now()
  try {
    const response = await fetch(`${withoutSlash(url)}/ready`, {
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    const endedAt = Date.now()
    const body = await response.text()
    const location = response.headers.get('location')
    if (response.status >= 300 && response.status < 400) return { kind: 'redirected', to: originOf(location, url) }
    const date = Date.parse(response.headers.get('date') ?? '')
    // The header has whole seconds: on average it is half a second early.
    const skewMs = Number.isNaN(date) ? undefined : date + 500 - (startedAt + endedAt) / 2
    return { kind: 'answered', status: response.status, body, skewMs }
  } catch (error) {
    return { kind: 'failed', code: codeOf(error) }
  }
}

/** When the certificate ends that this address shows; undefined where that cannot be seen. Does not judge it. */
export async function certificateEnd(url: string): Promise<Date | undefined> {
  const { hostname, port, protocol } = new URL(url)
  if (protocol !== 'https:') return undefined
  const socket = connect({ host: hostname, port: Number(port || 443), servername: hostname, rejectUnauthorized: false })
  socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('timeout')))
  try {
    await once(socket, 'secureConnect')
    const { valid_to: end }: Partial<PeerCertificate> = socket.getPeerCertificate()
    return end === undefined ? undefined : new Date(end)
  } catch {
    return undefined
  } finally {
    socket.destroy()
  }
}

/** Of a redirect only where it leads to, not what is in its path. */
function originOf(location: string | null, base: string): string {
  return URL.parse(location ?? '', base)?.origin ?? 'nowhere'
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '')
}

function codeOf(error: unknown): string {
  for (let inner: unknown = error; inner instanceof Error; inner = inner.cause) {
    if ('code' in inner && typeof inner.code === 'string') return inner.code
    if (inner.name === 'TimeoutError') return 'TIMEOUT'
  }
  return 'UNKNOWN'
}
