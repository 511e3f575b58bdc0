import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { GatewayError } from '../errors.ts'
import type { LinkState } from '../services.ts'
import { connectPage } from './connectPage.ts'
import type { ConnectRoom } from './connectRoom.ts'
import { keepCredential } from './keepCredential.ts'
import { pathOf } from './linkPath.ts'
import { connectedMessage, EXPIRED_LINK, FOREIGN_FORM, FORM_TOO_LARGE, UNKNOWN_LINK, USED_LINK } from './messages.ts'
import { OUTCOMES, type OutcomeName, outcomeNamed } from './outcomes.ts'

/** A link that lost its end, or won one, on its way through a mail program: a person reads the answer. */
const DAMAGED_LINKS = ['/connect', '/connect/', '/connect/:token/']
const MAX_FORM_BYTES = 16 * 1024
/** What a header can carry as it is. */
const API_KEY = /^[\x21-\x7e]{1,4096}$/

/** The page of a link. Looking at it has no effect, however often mail scanners do (security T23); its form has. */
export function linkRoutes(room: ConnectRoom): Hono {
  const limit = bodyLimit({ maxSize: MAX_FORM_BYTES, onError: (context) => room.say(context, FORM_TOO_LARGE) })
  return new Hono()
    .get('/connect/:token', async (context) => showLink(room, context, context.req.param('token')))
    .get('/connect/:token/status', async (context) => {
      const link = await room.accounts.findLink(context.req.param('token'))
      return link ? context.json({ state: stateOf(link) }) : context.json({ state: 'expired' }, 404)
    })
    .post('/connect/:token', limit, async (context) => submitLink(room, context, context.req.param('token')))
    .on('GET', DAMAGED_LINKS, (context) => room.say(context, UNKNOWN_LINK))
}

async function showLink(room: ConnectRoom, context: Context, token: string): Promise<Response> {
  const link = await room.accounts.findLink(token)
  if (!link) return room.say(context, UNKNOWN_LINK)
  return showState(room, context, token, link, outcomeNamed(context.req.query('outcome')))
}

function showState(
  room: ConnectRoom,
  context: Context,
  token: string,
  link: LinkState,
  outcome: OutcomeName | undefined,
): Response | Promise<Response> {
  const { connection, account } = link
  const state = stateOf(link)
  if (state === 'connected') return room.say(context, connectedMessage(room.appName, connection))
  if (state === 'expired') return room.say(context, link.state === 'used' ? USED_LINK : EXPIRED_LINK)
  const { status, notice } =
    outcome === undefined ? { status: 200 as const, notice: () => undefined } : OUTCOMES[outcome]
  const minutesLeft = Math.max(1, Math.ceil((link.expiresAt.getTime() - room.clock()) / 60_000))
  const markup = connectPage({
    appName: room.appName,
    connection,
    csrfToken: room.formGuard.csrfToken(context, token),
    again: account.status === 'EXPIRED' || account.status === 'DISCONNECTED',
    minutesLeft,
    asksToReplace: outcome === 'other-account',
    notice: notice(connection.displayName),
  })
  return context.html(markup, status)
}

async function submitLink(room: ConnectRoom, context: Context, token: string): Promise<Response> {
  const form = await context.req.parseBody()
  const csrfToken = form['csrf_token']
  if (typeof csrfToken !== 'string' || !room.formGuard.accepts(context, token, csrfToken)) {
    return room.say(context, FOREIGN_FORM)
  }
  const link = await room.accounts.findLink(token)
  if (!link || stateOf(link) !== 'open') return context.redirect(pathOf(token), 303)
  if (link.connection.auth.type === 'api_key') return submitKey(room, context, { token, link, key: form['api_key'] })
  return beginSignIn(room, context, { token, link, mayReplaceAccount: form['replace_account'] === 'yes' })
}

async function beginSignIn(
  room: ConnectRoom,
  context: Context,
  { token, link, mayReplaceAccount }: { token: string; link: LinkState; mayReplaceAccount: boolean },
): Promise<Response> {
  try {
    const { authorizationUrl, stateHash, browserToken, exception } = await room.flows.begin({
      link,
      linkToken: token,
      mayReplaceAccount,
    })
    await room.note(link, 'begun', exception)
    room.cookies.setFlow(context, stateHash, browserToken)
    return context.redirect(authorizationUrl, 303)
  } catch (error) {
    const outcome = outcomeOf(room, error)
    await room.note(link, 'failed', outcome)
    return showState(room, context, token, link, outcome)
  }
}

async function submitKey(
  room: ConnectRoom,
  context: Context,
  { token, link, key: given }: { token: string; link: LinkState; key: unknown },
): Promise<Response> {
  const key = typeof given === 'string' ? given.trim() : ''
  if (!API_KEY.test(key)) return showState(room, context, token, link, 'key-missing')
  const verdict = await room.verifyApiKey(link.connection, key)
  if (verdict !== 'accepted') {
    const outcome = verdict === 'rejected' ? 'key-rejected' : 'unavailable'
    await room.note(link, 'failed', outcome)
    return showState(room, context, token, link, outcome)
  }
  const credential = { type: 'api_key', key, origin: new URL(link.connection.mcpServerUrl).origin } as const
  return context.redirect(await keepCredential(room, { token, link, credential, mayReplaceAccount: false }), 303)
}

/** What of a failure a person is told; the rest goes to those who run the gateway. */
export function outcomeOf(room: ConnectRoom, error: unknown): OutcomeName {
  if (!(error instanceof GatewayError)) throw error
  room.report(error)
  if (error.code === 'forbidden') return 'refused'
  return error.code === 'upstream_unavailable' ? 'unavailable' : 'unusable'
}

/** An account that is connected is connected, whichever link did it. */
export function stateOf({ state, account }: LinkState): 'open' | 'connected' | 'expired' {
  if (account.status === 'ACTIVE') return 'connected'
  return state === 'open' ? 'open' : 'expired'
}
