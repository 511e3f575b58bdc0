import { type Context, Hono } from 'hono'
import { fieldsOf, typedCredential, type TypedField } from '../credentialFields.ts'
import { GatewayError } from '../errors.ts'
import { limitBody } from '../http/limitBody.ts'
import type { LinkState } from '../services.ts'
import { connectPage } from './connectPage.ts'
import type { ConnectRoom } from './connectRoom.ts'
import { keepCredential } from './keepCredential.ts'
import { pathOf } from './linkPath.ts'
import { connectedMessage, EXPIRED_LINK, FOREIGN_FORM, UNKNOWN_LINK, USED_LINK } from './messages.ts'
import { OUTCOMES, type OutcomeName, outcomeNamed } from './outcomes.ts'

/** A link that lost its end, or won one, on its way through a mail program: a person reads the answer. */
const DAMAGED_LINKS = ['/connect', '/connect/', '/connect/:token/']
const MAX_FORM_BYTES = 16 * 1024

/** The page of a link. Looking at it has no effect, however often mail scanners do (security T23); its form has. */
export function linkRoutes(room: ConnectRoom): Hono {
  const limit = limitBody(MAX_FORM_BYTES)
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
    asksForMore: account.status === 'ACTIVE',
    minutesLeft,
    asksToReplace: outcome === 'other-account',
    notice: notice(connection.displayName),
  })
  return context.html(markup, status)
}

/** As browsers send a form; what is not one has no fields. */
async function readForm({ req }: Context): Promise<Readonly<Record<string, string>>> {
  if (!/^application\/x-www-form-urlencoded *(?:;|$)/i.test(req.header('content-type') ?? '')) return {}
  return Object.fromEntries(new URLSearchParams(await req.text()))
}

async function submitLink(room: ConnectRoom, context: Context, token: string): Promise<Response> {
  const form = await readForm(context)
  const csrfToken = form['csrf_token']
  if (typeof csrfToken !== 'string' || !room.formGuard.accepts(context, token, csrfToken)) {
    return room.say(context, FOREIGN_FORM)
  }
  const link = await room.accounts.findLink(token)
  if (!link || stateOf(link) !== 'open') return context.redirect(pathOf(token), 303)
  const fields = fieldsOf(link.connection)
  if (fields.length > 0) return submitFields(room, context, { token, link, values: valuesIn(form, fields) })
  return beginSignIn(room, context, { token, link, mayReplaceAccount: form['replace_account'] === 'yes' })
}

async function beginSignIn(
  room: ConnectRoom,
  context: Context,
  { token, link, mayReplaceAccount }: { token: string; link: LinkState; mayReplaceAccount: boolean },
): Promise<Response> {
  try {
    const flow = await room.flows.begin({ link, linkToken: token, mayReplaceAccount })
    if (flow === undefined) return context.redirect(pathOf(token), 303)
    const { authorizationUrl, stateHash, browserToken, exception } = flow
    await room.note(link, 'begun', exception)
    room.cookies.setFlow(context, stateHash, browserToken)
    return context.redirect(authorizationUrl, 303)
  } catch (error) {
    const outcome = outcomeOf(room, error)
    await room.note(link, 'failed', outcome)
    return showState(room, context, token, link, outcome)
  }
}

/** What was typed in, without the spaces that come along when something is pasted; undefined where something cannot be. */
function valuesIn(
  form: Readonly<Record<string, unknown>>,
  fields: readonly TypedField[],
): Readonly<Record<string, string>> | undefined {
  const values: Record<string, string> = {}
  for (const { name, keepsSpaces, pattern } of fields) {
    const given = form[name]
    const value = typeof given !== 'string' ? '' : keepsSpaces ? given : given.trim()
    if (!pattern.test(value)) return undefined
    values[name] = value
  }
  return values
}

async function submitFields(
  room: ConnectRoom,
  context: Context,
  { token, link, values }: { token: string; link: LinkState; values: Readonly<Record<string, string>> | undefined },
): Promise<Response> {
  if (values === undefined) {
    const isOne = fieldsOf(link.connection).length === 1
    return showState(room, context, token, link, isOne ? 'key-missing' : 'fields-missing')
  }
  const credential = typedCredential(link.connection, values)
  const verdict = await room.verifyCredential(link.connection, credential)
  if (verdict !== 'accepted') {
    const isOne = fieldsOf(link.connection).length === 1
    const outcome = verdict === 'unreachable' ? 'unavailable' : isOne ? 'key-rejected' : 'fields-rejected'
    await room.note(link, 'failed', outcome)
    return showState(room, context, token, link, outcome)
  }
  return context.redirect(await keepCredential(room, { token, link, credential, mayReplaceAccount: false }), 303)
}

/** What of a failure a person is told; the rest goes to those who run the gateway. */
export function outcomeOf(room: ConnectRoom, error: unknown): OutcomeName {
  if (!(error instanceof GatewayError)) throw error
  room.report(error)
  if (error.code === 'forbidden') return 'refused'
  return error.code === 'upstream_unavailable' ? 'unavailable' : 'unusable'
}

/** An account that is connected is connected, whichever link did it; unless its upstream wants more than was granted. */
export function stateOf({ state, account, scope }: LinkState): 'open' | 'connected' | 'expired' {
  if (account.status === 'ACTIVE' && (scope === undefined || state !== 'open')) return 'connected'
  return state === 'open' ? 'open' : 'expired'
}
