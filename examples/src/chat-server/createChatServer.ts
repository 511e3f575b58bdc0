import { createUserVerification, type Latchkey } from '@latchkey/core'
import type { LanguageModel } from 'ai'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { csrf } from 'hono/csrf'
import { secureHeaders } from 'hono/secure-headers'
import { readFileSync } from 'node:fs'
import * as z from 'zod'
import { say } from './chat.ts'
import { createAnswer } from './createAnswer.ts'
import { createSessions, type Session } from './sessions.ts'
import type { Users } from './users.ts'

export interface ChatServerOptions {
  /** Where it is reached from outside. */
  readonly appUrl: string
  /** With `startUrl`: `{appUrl}/latchkey/start`. */
  readonly latchkey: Latchkey
  readonly model: LanguageModel
  readonly users: Users
}

const question = z.object({ text: z.string().trim().min(1).max(4000) })
const credentials = z.object({ name: z.string(), password: z.string() })

/** The chat, as a value with `fetch`. */
export function createChatServer({ appUrl, latchkey, model, users }: ChatServerOptions): Hono<Environment> {
  const sessions = createSessions(appUrl)
  const answer = createAnswer({ latchkey, model })
  const verification = createUserVerification({
    latchkey,
    callbackUrl: `${appUrl}/latchkey/callback`,
    identify: (request) => sessions.of(request)?.user.id,
    onError: (error) => console.error(error),
  })
  const app = new Hono<Environment>()

  // These two answer pages with a policy of their own.
  app.get('/latchkey/start', (context) => verification.start(context.req.raw))
  app.get('/latchkey/callback', (context) => verification.callback(context.req.raw))

  app.use(secureHeaders(HEADERS), csrf({ origin: new URL(appUrl).origin }), bodyLimit({ maxSize: 16 * 1024 }))
  for (const [path, file] of Object.entries(FILES)) {
    app.get(path, (context) => context.body(readPage(file.name), 200, { 'content-type': file.type }))
  }

  app.get('/sign-in', (context) => context.html(SIGN_IN))
  app.post('/sign-in', async (context) => {
    const given = credentials.safeParse(await context.req.parseBody())
    const user = given.success ? users.check(given.data.name, given.data.password) : undefined
    if (!user) return context.html(SIGN_IN.replace(' hidden>', '>'), 401)
    sessions.begin(context, user)
    return context.redirect('/', 303)
  })

  // From here on somebody is signed in.
  app.use(async (context, next) => {
    const session = sessions.of(context.req.raw)
    if (!session) return context.req.path === '/' ? context.redirect('/sign-in') : context.text('Sign in first', 401)
    context.set('session', session)
    context.header('cache-control', 'no-store')
    return await next()
  })
  app.get('/', (context) => context.html(CHAT))
  app.get('/chat', (context) => {
    const { user, chat } = context.var.session
    return context.json({ name: user.name, messages: chat.messages, isWaiting: chat.isWaiting })
  })
  app.post('/chat', async (context) => {
    const { chat, user, signal } = context.var.session
    const asked = question.safeParse(await context.req.json().catch(() => undefined))
    if (!asked.success) return context.text('Say something, in at most 4,000 characters', 400)
    if (chat.isAnswering) return context.text('One at a time', 409)
    say(chat, asked.data.text)
    return answer({ chat, userId: user.id, signal })
  })
  app.post('/chat/continue', (context) => {
    const { chat, user, signal } = context.var.session
    if (!chat.isWaiting || chat.isAnswering) return context.text('Nothing waits', 409)
    return answer({ chat, userId: user.id, signal })
  })
  app.post('/sign-out', async (context) => {
    const { user } = context.var.session
    sessions.endAllOf(context, user)
    try {
      // All that the assistant could do for this user ends: tools, URLs, accounts, and the grants at the services.
      await latchkey.revokeUser(user.id)
    } catch (error) {
      console.error(error)
      return context.text('You are signed out, but your accounts are still connected. Sign in and out once more.', 502)
    }
    return context.redirect('/sign-in', 303)
  })
  return app
}

type Environment = { Variables: { session: Session } }

const HEADERS = {
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'"],
    connectSrc: ["'self'"],
    formAction: ["'self'"],
    baseUri: ["'none'"],
    frameAncestors: ["'none'"],
    requireTrustedTypesFor: ["'script'"],
  },
  xFrameOptions: 'DENY',
}

const FILES = {
  '/chat.js': { name: 'chat.js', type: 'text/javascript; charset=utf-8' },
  '/style.css': { name: 'style.css', type: 'text/css; charset=utf-8' },
  '/icon.svg': { name: 'icon.svg', type: 'image/svg+xml' },
}
const SIGN_IN = readPage('sign-in.html')
const CHAT = readPage('chat.html')

function readPage(name: string): string {
  return readFileSync(new URL(`page/${name}`, import.meta.url), 'utf8')
}
