import type { Context, MiddlewareHandler } from 'hono'
import { routePath } from 'hono/route'
import type { WritableAudit } from '../audit/audit.ts'
import type { Denial, Denials } from '../audit/denials.ts'
import { GatewayError } from '../errors.ts'
import { currentRequest } from '../requestScope.ts'
import type { RateLimits } from '../services.ts'
import { networkOf } from './clientAddress.ts'
import { refuse, type RefusalPage } from './refusal.ts'

export interface RequestGateOptions {
  readonly audit: Pick<WritableAudit, 'flush'>
  readonly denials: Pick<Denials, 'note'>
  readonly limits: RateLimits
  readonly page: RefusalPage
  /** Whether the gateway is about to end: then it takes no new event streams, which would only be cut off. */
  readonly isDraining: () => boolean
}

/** Says only whether the process lives; whoever asks asks often. */
const UNLIMITED_PATHS: ReadonlySet<string> = new Set(['/health', '/ready'])

/**
 * What every request passes on its way in, and its answer on its way out: the limits of the address, and the audit log,
 * which is written before the answer leaves (security T71, T73).
 */
export function createRequestGate(options: RequestGateOptions): MiddlewareHandler {
  const { audit, denials, limits, page, isDraining } = options
  return async (context, next) => {
    if (UNLIMITED_PATHS.has(context.req.path)) return await next()
    const refusal = await overLimit(context)
    if (refusal !== undefined) {
      denials.note({ route: coarseRoute(context), reason: 'rate_limited' })
      return await refuse(context, refusal, page)
    }
    if (context.req.path === '/api/v1/events' && isDraining()) return await refuse(context, draining(), page)
    await next()
    await afterwards(context)
  }

  async function overLimit({ req }: Context): Promise<GatewayError | undefined> {
    const address = callerOf()
    if (address === undefined) return undefined
    const seconds =
      (await limits.take('address', address)) ??
      // What is asked for here may be guessed, so it is not even looked at any more.
      (req.path === '/oauth/token' ? await limits.isUsedUp('failure', address) : undefined)
    return seconds === undefined ? undefined : tooMany(seconds)
  }

  async function afterwards(context: Context): Promise<void> {
    const denial = denialOf(context)
    if (denial !== undefined) await denied(context, denial)
    const scope = currentRequest()
    if (scope === undefined) return
    await audit.flush(scope).catch(async (error: unknown) => {
      if (!(error instanceof GatewayError)) throw error
      await replace(context, error)
    })
  }

  /** Who fails too often is told so, and not any more what is wrong. Those who share the address and do not fail notice nothing. */
  async function denied(context: Context, denial: Denial): Promise<void> {
    const address = callerOf()
    const seconds = address === undefined ? undefined : await limits.take('failure', address)
    denials.note(denial)
    if (seconds !== undefined) await replace(context, tooMany(seconds))
  }

  async function replace(context: Context, error: GatewayError): Promise<void> {
    const answer = await refuse(context, error, page)
    // Assigning merges the headers of the former answer into the new one.
    context.res = undefined
    context.res = answer
  }
}

export function tooMany(seconds: number): GatewayError {
  const message = `Too many requests. Nothing was carried out. Try again in ${seconds} s.`
  return new GatewayError('rate_limited', message, { retryAfterSeconds: seconds })
}

function draining(): GatewayError {
  return new GatewayError('unavailable', 'This process is about to end. Ask again: another one answers.', {
    retryAfterSeconds: 1,
  })
}

function callerOf(): string | undefined {
  const address = currentRequest()?.address
  return address === undefined ? undefined : networkOf(address)
}

const DENIED: Readonly<Record<number, Denial['reason']>> = {
  401: 'unauthorized',
  403: 'forbidden',
  404: 'unknown',
  429: 'rate_limited',
}

/** Only where something secret was asked for: elsewhere 404 says that an id is wrong, or a path. */
function denialOf(context: Context): Denial | undefined {
  const reason = tokenInQuery(context) ? 'token_in_query' : DENIED[context.res.status]
  if (reason === undefined) return undefined
  const { path } = context.req
  if (isOfUpstream(context)) return undefined
  if (reason === 'unknown' && !/^\/(?:mcp|connect|oauth\/callback)/.test(path)) return undefined
  return { route: routePath(context, -1), reason }
}

/**
 * Whoever has proved to be an agent guesses at nothing: what it is answered is the upstream's status, or says that there is
 * no such method. Only our own limits say when to come again.
 */
function isOfUpstream({ res }: Context): boolean {
  const isAgent = currentRequest()?.actor === 'agent'
  return isAgent && !(res.status === 429 && res.headers.has('Retry-After'))
}

/** The MCP endpoint refuses it (RFC 6750 section 2.3): URLs get into logs and histories. */
function tokenInQuery({ req, res }: Context): boolean {
  return res.status === 400 && /^[^?]*\/mcp\/[^?]*\?(?:.*&)?(?:access_)?token=/.test(req.url)
}

/** Before it is routed. */
function coarseRoute({ req: { path } }: Context): string {
  return path.startsWith('/mcp/') ? '/mcp/:endpoint' : path.startsWith('/api/') ? '/api/*' : '/*'
}
