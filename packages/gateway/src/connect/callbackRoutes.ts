import { type Context, Hono } from 'hono'
import type { Credential } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { ConnectRoom } from './connectRoom.ts'
import { sha256 } from './digests.ts'
import type { FoundFlow } from './flow.ts'
import { keepCredential } from './keepCredential.ts'
import { pathOf } from './linkPath.ts'
import { outcomeOf, stateOf } from './linkRoutes.ts'
import { CALLBACK_PROBLEMS, UNKNOWN_LINK } from './messages.ts'
import type { OutcomeName } from './outcomes.ts'

type ReadyFlow = FoundFlow & { kind: 'ready' }

/**
 * Where the provider sends the browser back to. Whatever comes of it, the answer is a redirect to an address without
 * code and state (RFC 9700 section 4.2); and to the link or the app only in the browser that showed that it is the right one.
 */
export function callbackRoutes(room: ConnectRoom): Hono {
  return new Hono()
    .get('/oauth/callback/:server?', async (context) => {
      // A HEAD request must not use the code up.
      if (context.req.method !== 'GET') return context.body(null, 405, { allow: 'GET' })
      return context.redirect(await finish(room, context), 303)
    })
    .get('/oauth/result/:problem', (context) =>
      room.say(context, CALLBACK_PROBLEMS.get(context.req.param('problem')) ?? UNKNOWN_LINK),
    )
}

/** Gives where to go on to: a path of ours, or the app's URL. */
async function finish(room: ConnectRoom, context: Context): Promise<string> {
  const states = context.req.queries('state') ?? []
  const state = states[0]
  if (state === undefined || states.length > 1) return problemPath('unknown')
  const stateHash = sha256(state)
  const flow = await room.flows.find(stateHash, room.cookies.flow(context, stateHash))
  if (flow.kind !== 'ready') return problemPath(flow.kind)
  // The same link, finished in another tab meanwhile: the code stays unused.
  const link = await room.accounts.findLink(flow.linkToken)
  if (!link || stateOf(link) !== 'open') return pathOf(flow.linkToken)
  if (!(await room.flows.consume(stateHash))) return problemPath('used')
  room.cookies.clearFlow(context, stateHash)
  const { pathname, search } = new URL(context.req.url)
  const credential = await complete(room, flow, link.connection, new URL(pathname + search, room.publicUrl))
  if (typeof credential === 'string') {
    await room.note(link, credential === 'declined' ? 'declined' : 'failed', credential)
    return pathOf(flow.linkToken, credential)
  }
  const { linkToken: token, mayReplaceAccount = false } = flow
  const remark = scopeRemark(flow.attempt.scope, credential)
  return await keepCredential(room, { token, link, credential, mayReplaceAccount, remark })
}

async function complete(
  room: ConnectRoom,
  { attempt }: ReadyFlow,
  connection: Parameters<ConnectRoom['oauth']['complete']>[0],
  callbackUrl: URL,
): Promise<Credential | OutcomeName> {
  try {
    return await room.oauth.complete(connection, attempt, callbackUrl)
  } catch (error) {
    // `forbidden` is the server's own word, validated; only then may its error be looked at (RFC 9207 section 2.4).
    const validated = error instanceof GatewayError && error.code === 'forbidden'
    if (validated && callbackUrl.searchParams.get('error') === 'access_denied') return 'declined'
    return outcomeOf(room, error)
  }
}

/** Where another scope was granted than was asked for (security T33). */
function scopeRemark(asked = '', credential: Credential): string | undefined {
  if (asked === '' || credential.type !== 'oauth2' || credential.scope === undefined) return undefined
  const wanted = new Set(asked.split(' '))
  const granted = new Set(credential.scope.split(' '))
  const isLess = ![...wanted].every((scope) => granted.has(scope))
  const isMore = ![...granted].every((scope) => wanted.has(scope))
  if (isLess && isMore) return 'other-scope-granted'
  return isLess ? 'less-scope-granted' : isMore ? 'more-scope-granted' : undefined
}

function problemPath(problem: string): string {
  return `/oauth/result/${problem}`
}
