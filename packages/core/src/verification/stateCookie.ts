import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** Longer than a link, a sign-in and the verification together. */
const LIFE_SECONDS = 45 * 60

/** What the app remembers, in the browser, of a link that it made: that it was this browser, and for what. */
export interface StateCookies {
  /** A new state, and the cookie that belongs to it. */
  issue(connection: string): { state: string; setCookie: string }
  /** The connection that this state was issued for in this browser; undefined if it was not. */
  read(request: Request, state: string): string | undefined
  clear(state: string): string
}

/**
 * One cookie for each attempt, because people connect several services in several tabs. On https it carries the
 * `__Host-` prefix, so that no sibling domain can plant one.
 *
 * @param secure whether the app is on https.
 */
export function createStateCookies(secure: boolean): StateCookies {
  const attributes = `Path=/; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`
  const nameOf = (state: string) =>
    `${secure ? '__Host-' : ''}latchkey_state_${digest(state).toString('hex').slice(0, 16)}`
  return {
    issue(connection) {
      const state = randomBytes(32).toString('base64url')
      const setCookie = `${nameOf(state)}=${state}.${connection}; Max-Age=${LIFE_SECONDS}; ${attributes}`
      return { state, setCookie }
    },
    read(request, state) {
      const kept = cookieOf(request, nameOf(state))
      const end = kept?.indexOf('.') ?? -1
      if (kept === undefined || end < 0) return undefined
      return timingSafeEqual(digest(kept.slice(0, end)), digest(state)) ? kept.slice(end + 1) : undefined
    },
    clear: (state) => `${nameOf(state)}=; Max-Age=0; ${attributes}`,
  }
}

function cookieOf(request: Request, name: string): string | undefined {
  const pairs = (request.headers.get('cookie') ?? '').split(';').map((pair) => pair.trim())
  return pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1)
}

function digest(value: string): Buffer {
  return createHash('sha256').update(value).digest()
}
