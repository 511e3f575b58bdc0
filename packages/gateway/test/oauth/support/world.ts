import { Hono } from 'hono'
import { startAuthorizationServer } from '../../../../../test/src/fixtures/authorization/startAuthorizationServer.ts'
import { consentAs } from '../../../../../test/src/fixtures/browser/consentAs.ts'
import { createHttpBrowser } from '../../../../../test/src/fixtures/browser/httpBrowser.ts'
import { listen } from '../../../../../test/src/fixtures/listen.ts'
import { startMailServer } from '../../../../../test/src/fixtures/upstreams/startServers.ts'
import { createConnect } from '../../../src/connect/connect.ts'
import type { VerifyCredential } from '../../../src/connect/connectRoom.ts'
import type { AuditEntry, Connection, ConnectionAuth } from '../../../src/domain.ts'
import type { GatewayError } from '../../../src/errors.ts'
import { closeAfterTest } from './cleanup.ts'
import { createMemoryAccounts } from './memoryAccounts.ts'
import { createMemoryFlows } from './memoryFlows.ts'
import { connectionTo, createParts } from './parts.ts'

export interface WorldOptions {
  readonly auth?: ConnectionAuth
  readonly displayName?: string
  readonly verifyCredential?: VerifyCredential
}

/** A real authorization server, a mail service that takes its tokens, and the connect pages on a port. */
export async function startWorld({ auth, displayName, verifyCredential = async () => 'accepted' }: WorldOptions = {}) {
  const provider = closeAfterTest(await startAuthorizationServer())
  const mail = closeAfterTest(await startMailServer(provider))
  const app = new Hono()
  const { origin, close } = await listen((request) => app.fetch(request))
  closeAfterTest({ close })
  const parts = createParts(origin)
  const accounts = createMemoryAccounts(parts.clock)
  const flows = createMemoryFlows()
  const reports: GatewayError[] = []
  const audited: AuditEntry[] = []
  const hold = { callback: false }
  app.use('/oauth/callback/*', async (context, next) =>
    hold.callback ? context.html('<title>The callback waits</title>') : next(),
  )
  app.route(
    '/',
    createConnect({
      ...parts,
      accounts,
      flows,
      publicUrl: origin,
      appName: 'Acme Agent',
      verifyCredential,
      report: (error) => reports.push(error),
      audit: { record: async (entry) => void audited.push(entry) },
    }),
  )
  const plain = connectionTo(mail.url, auth)
  const connection: Connection = { ...plain, displayName: displayName ?? plain.displayName }
  const accountId = accounts.add(connection, 'user_private_123')
  const newLink = () => {
    const token = accounts.link(accountId)
    return { token, url: `${origin}/connect/${token}` }
  }
  const browser = createHttpBrowser()
  /** Consents at the provider; gives the URL that the provider sends the browser back to, which nobody has opened yet. */
  async function callbackUrlOf(link: string): Promise<string> {
    hold.callback = true
    const { url } = await consentAs('anna', link, { browser })
    hold.callback = false
    return url
  }
  /** A bare request with this browser's cookies, which follows nothing. */
  async function send(url: string, init: RequestInit & { headers?: Record<string, string> } = {}): Promise<Response> {
    const cookie = await browser.cookies.getCookieString(url)
    return fetch(url, { redirect: 'manual', ...init, headers: Object.assign({ cookie }, init.headers) })
  }
  return {
    ...parts,
    callbackUrlOf,
    send,
    provider,
    mail,
    origin,
    accounts,
    flows,
    reports,
    /** What the audit log was told. */
    audited,
    connection,
    accountId,
    newLink,
    browser,
  }
}
