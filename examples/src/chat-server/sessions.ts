import type { Context } from 'hono'
import { deleteCookie, setCookie } from 'hono/cookie'
import { parse } from 'hono/utils/cookie'
import { randomBytes } from 'node:crypto'
import { type Chat, createChat } from './chat.ts'
import type { User } from './users.ts'

const LIFE_SECONDS = 8 * 60 * 60

/** One browser in which a user is signed in. */
export interface Session {
  readonly user: User
  readonly chat: Chat
  /** Aborted when it ends, and with it what it has under way. */
  readonly signal: AbortSignal
}

export interface Sessions {
  begin(context: Context, user: User): void
  /** The session of the browser that sent this; undefined if nobody is signed in there. */
  of(request: Request): Session | undefined
  /** Ends all sessions of this user, in every browser. */
  endAllOf(context: Context, user: User): void
}

type Kept = Session & { readonly end: AbortController; readonly endsAt: number }

/** Sessions in memory. The cookie is 256 random bits, and new at each sign-in. */
export function createSessions(appUrl: string): Sessions {
  const secure = new URL(appUrl).protocol === 'https:'
  // With this prefix no sibling domain can plant a cookie, which would sign somebody in as somebody else.
  const name = secure ? '__Host-session' : 'session'
  const attributes = { path: '/', httpOnly: true, sameSite: 'Lax', secure } as const
  const sessions = new Map<string, Kept>()

  return {
    begin(context, user) {
      const id = randomBytes(32).toString('base64url')
      const end = new AbortController()
      const endsAt = Date.now() + LIFE_SECONDS * 1000
      sessions.set(id, { user, chat: createChat(), signal: end.signal, end, endsAt })
      setCookie(context, name, id, { ...attributes, maxAge: LIFE_SECONDS })
    },
    of(request) {
      const id = parse(request.headers.get('cookie') ?? '', name)[name] ?? ''
      const session = sessions.get(id)
      if (session === undefined || session.endsAt > Date.now()) return session
      session.end.abort()
      sessions.delete(id)
      return undefined
    },
    endAllOf(context, user) {
      for (const [id, session] of sessions) {
        if (session.user.id !== user.id) continue
        session.end.abort()
        sessions.delete(id)
      }
      deleteCookie(context, name, attributes)
    },
  }
}
