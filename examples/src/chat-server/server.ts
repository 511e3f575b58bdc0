/**
 * A chat in which each user's assistant has that user's tools: sign-in, streaming, "Connect" cards, verification of who
 * consented, and revocation on sign-out. It needs LATCHKEY_URL, LATCHKEY_CLIENT_ID, LATCHKEY_CLIENT_SECRET,
 * LATCHKEY_CONFIG, OPENAI_API_KEY and USERS, and APP_URL where it is reached from outside; the gateway needs
 * `userVerification.url`: {APP_URL}/latchkey/callback.
 */
import { openai } from '@ai-sdk/openai'
import { serve } from '@hono/node-server'
import { createLatchkey } from '@latchkey/core'
import { createChatServer } from './createChatServer.ts'
import { createUsers } from './users.ts'

const port = Number(process.env['PORT'] ?? 3000)
const appUrl = process.env['APP_URL'] ?? `http://127.0.0.1:${port}`
const app = createChatServer({
  appUrl,
  // Links of the app itself: no secret, and made good only for who is signed in when they are opened.
  latchkey: createLatchkey({ startUrl: `${appUrl}/latchkey/start` }),
  model: openai('gpt-5'),
  users: createUsers(process.env['USERS'] ?? ''),
})
serve({ fetch: app.fetch, hostname: '127.0.0.1', port }, () => console.log(`The chat is at ${appUrl}`))
