import { type Context, Hono } from 'hono'
import type { AuditEntry, Connection, Credential } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { actAs } from '../requestScope.ts'
import type { Accounts, Audit, Clock, Keys, LinkState, OAuth, Vault } from '../services.ts'
import type { FlowStore } from '../store/store.ts'
import { callbackRoutes } from './callbackRoutes.ts'
import type { ConnectRoom, ConsentStep, VerifyCredential } from './connectRoom.ts'
import { createCookies } from './cookies.ts'
import { createFlows } from './flow.ts'
import { createFormGuard } from './formGuard.ts'
import { linkRoutes } from './linkRoutes.ts'
import { messagePage } from './messagePage.ts'
import { type Answer, FAILED, FORM_TOO_LARGE } from './messages.ts'
import { createPageHeaders } from './pageHeaders.ts'

export interface ConnectOptions {
  readonly accounts: Pick<Accounts, 'findLink' | 'activate'>
  readonly oauth: Pick<OAuth, 'begin' | 'complete' | 'clientMetadata'>
  readonly flows: FlowStore
  readonly keys: Pick<Keys, 'digest'>
  readonly vault: Vault
  readonly clock: Clock
  readonly publicUrl: string | URL
  /** What the pages call the app that asks. */
  readonly appName: string
  readonly verifyCredential: VerifyCredential
  /** Gives a grant back to the server that made it (RFC 7009). Default: it is only forgotten. */
  readonly revoke?: ((connection: Connection, credential: Credential) => Promise<void>) | undefined
  /** Default: nobody writes down what becomes of a link. */
  readonly audit?: Audit | undefined
  /** Hears why a sign-in could not begin or end, for the log. The message holds no secret. Default: nobody. */
  readonly report?: (error: GatewayError) => void
}

/**
 * The pages that a person sees: `GET, POST /connect/:token`, `GET /connect/:token/status`, `GET /oauth/callback`
 * (and what is below it), `GET /oauth/result/:problem`. They need no script, load nothing from elsewhere, and show nothing of a user.
 */
export function createConnect(options: ConnectOptions): Hono {
  const { keys, report = () => {} } = options
  const publicUrl = new URL(options.publicUrl)
  const cookies = createCookies(publicUrl.protocol === 'https:')
  const formGuard = createFormGuard(publicUrl, keys, cookies)
  const room: ConnectRoom = {
    ...options,
    publicUrl,
    report,
    say,
    cookies,
    formGuard,
    note: async (link, what, reason) => await options.audit?.record(consentEntry(link, what, reason)),
    flows: createFlows(options),
    revoke: async (connection, credential) => await options.revoke?.(connection, credential).catch(() => {}),
  }
  const headers = createPageHeaders(publicUrl)
  const app = new Hono()
  const dress = (context: Context) => {
    for (const name in headers) context.header(name, headers[name])
  }
  for (const path of ['/connect/*', '/oauth/callback/*', '/oauth/result/*']) {
    app.use(path, async (context, next) => {
      dress(context)
      actAs('user link')
      await next()
    })
  }
  app.route('/', linkRoutes(room))
  app.route('/', callbackRoutes(room))
  // Who we are to authorization servers that take a document instead of a registration; they fetch it themselves.
  app.get('/oauth/client-metadata/:file', (context) => {
    const metadata = options.oauth.clientMetadata(context.req.param('file'))
    if (metadata === undefined) return context.notFound()
    return context.json(metadata, 200, { 'cache-control': 'public, max-age=3600' })
  })
  app.onError((error, context) => {
    dress(context)
    if (error instanceof GatewayError && error.code === 'too_large') return say(context, FORM_TOO_LARGE)
    report(
      error instanceof GatewayError ? error : new GatewayError('internal', 'A connect page failed.', { cause: error }),
    )
    return say(context, FAILED)
  })
  return app
}

function say(context: Context, { message, status }: Answer): Response | Promise<Response> {
  return context.html(messagePage(message), status)
}

function consentEntry({ account, id: linkId }: LinkState, what: ConsentStep, reason: string | undefined): AuditEntry {
  const { id: accountId, connectionId, userIdentifier } = account
  const details = { linkId, ...(reason !== undefined && { reason }) }
  const outcome = what === 'failed' ? 'failed' : what === 'declined' ? 'refused' : 'ok'
  return { action: `consent.${what}`, outcome, userIdentifier, connectionId, accountId, details }
}
