import { type ConnectionState, createLatchkey, type Latchkey } from '@latchkey/core'
import { accessTokenResponseSchema, auditLogSchema } from '@latchkey/core/wire'
import { readFile } from 'node:fs/promises'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import {
  createDemoApp,
  createHttpBrowser,
  type HttpBrowser,
  listen,
  type Listener,
  openBrowser,
  type Stack,
  startStack,
} from './fixtures/index.ts'

const MINUTE_MS = 60_000

describe('user verification, from the app to the provider and back', () => {
  let stack: Stack
  let app: Listener
  let latchkey: Latchkey
  let now = Date.now()

  beforeAll(async () => {
    const serving = Promise.withResolvers<(request: Request) => Response | Promise<Response>>()
    app = await listen(async (request) => await (await serving.promise)(request))
    stack = await startStack({
      clock: () => now,
      configs: { 'mail-agent': { mail: ['search_mail', 'whoami'] }, 'all-agent': { mail: '*', directory: '*' } },
      config: 'mail-agent',
      userVerification: { url: `${app.origin}/latchkey/callback` },
      mailScopes: ['openid', 'mail.read'],
    })
    const { url, clientId, clientSecret } = stack.gateway
    latchkey = createLatchkey({
      url,
      clientId,
      clientSecret,
      config: 'mail-agent',
      startUrl: `${app.origin}/latchkey/start`,
    })
    const demo = createDemoApp({ latchkey: () => latchkey, origin: app.origin })
    serving.resolve((request) => demo.fetch(request))
  })
  afterAll(async () => {
    await latchkey.close()
    await stack[Symbol.asyncDispose]()
    await app.close()
  })

  async function statusOf(user: string, connection = 'mail', config = 'mail-agent'): Promise<string | undefined> {
    const { id } = await latchkey.ensureInstance(user, { config })
    const states = await latchkey.getAuthState(id)
    return states.find(({ connectionName }) => connectionName === connection)?.status
  }

  /** A browser in which this user is signed in to the app. */
  async function signedIn(user: string): Promise<HttpBrowser> {
    const browser = createHttpBrowser()
    await browser.open(`${app.origin}/sign-in/${user}`)
    return browser
  }

  const startOf = (connection = 'mail') => `${app.origin}/latchkey/start?connection=${connection}`

  /** What a person does who is sent from the app to the gateway's page, and on; gives the last page. */
  async function connectFrom(browser: HttpBrowser, account: string, url = startOf()) {
    let page = await browser.open(url)
    page = await page.submit({ button: 'Continue to Acme Mail' })
    const [field] = page.fields
    if (field !== undefined) page = await page.submit({ fields: { [field]: account } })
    return await page.submit({ button: 'Allow' })
  }

  it('the honest way: the user starts in the app, consents, and comes back connected', async () => {
    const browser = await signedIn('ann')
    const shown: (string | undefined)[] = []
    const waiting = latchkey.userTools('ann', {
      onAuthorizationRequired: (connections) => void shown.push(...connections.map((one) => one.authenticationLink)),
    })
    const page = await connectFrom(browser, 'ann')
    expect([page.status, page.title]).toEqual([200, 'Your account is connected'])
    const { tools } = await waiting
    expect(tools.map(({ name }) => name).toSorted()).toEqual(['search_mail', 'whoami'])
    expect(shown).toEqual([startOf()])
    expect(await statusOf('ann')).toBe('ACTIVE')
  })

  it('T20: a link of one user, completed in the browser of another, connects nothing and calls nothing', async () => {
    const revoked = stack.authorizationServer.revokedGrants
    const hers = await signedIn('eve')
    // She begins in the app and passes the gateway's link on.
    const link = await gatewayLinkOf(hers)
    const page = await connectFrom(await signedIn('ben'), 'ben', link)
    expect([page.status, page.title]).toEqual([403, 'This was not begun in this browser'])
    // She even gets hold of the address at which he ended.
    const stolen = await hers.open(page.url)
    expect([stolen.status, stolen.title]).toEqual([403, 'This account was not connected'])
    expect(await statusOf('eve')).toBe('PENDING_AUTH')
    expect(stack.authorizationServer.revokedGrants).toBe(revoked + 1)
    await expect(latchkey.userTools('eve')).rejects.toMatchObject({ code: 'authorization_required' })
    expect(stack.mail.calls.all).toEqual([])
    expect(await auditedActions()).toContain('user.verification_refused')
  })

  it('T20: the same, where nobody is signed in or the link came from the gateway itself', async () => {
    const stranger = createHttpBrowser()
    const page = await connectFrom(stranger, 'carl', await stack.linkFor('eve', 'mail'))
    expect(page.status).toBe(403)
    expect(await statusOf('eve')).toBe('PENDING_AUTH')
  })

  it('T20: what nobody verifies is destroyed and given back within ten minutes', async () => {
    const revoked = stack.authorizationServer.revokedGrants
    const browser = await signedIn('dora')
    // The app has lost its handler: the browser comes back to nothing.
    const link = await latchkey.createMagicLink('dora', 'mail', { userVerifyUrl: `${app.origin}/nowhere` })
    expect((await connectFrom(browser, 'dora', link.url)).status).toBe(404)
    expect(await statusOf('dora')).toBe('PENDING_VERIFICATION')
    now += 9.5 * MINUTE_MS
    expect(await statusOf('dora')).toBe('PENDING_AUTH')
    expect(stack.authorizationServer.revokedGrants).toBe(revoked + 1)
  })

  it('T20: an API key waits for the app too', async () => {
    const browser = await signedIn('fred')
    const key = stack.directory.keys.issue('fred')
    const page = await (await browser.open(startOf('directory'))).submit({ fields: { api_key: key } })
    expect([page.status, page.title]).toEqual([200, 'Your account is connected'])
    expect(await statusOf('fred', 'directory', 'all-agent')).toBe('ACTIVE')
    const stolen = await (
      await (await signedIn('gina')).open(await gatewayLinkOf(await signedIn('hugo'), 'directory'))
    ).submit({
      fields: { api_key: stack.directory.keys.issue('gina') },
    })
    expect(stolen.status).toBe(403)
    expect(await statusOf('hugo', 'directory', 'all-agent')).toBe('PENDING_AUTH')
  })

  it('T23: a link that is opened a hundred times by scanners still waits for the person', async () => {
    const browser = await signedIn('ida')
    const link = await gatewayLinkOf(browser)
    const requests = [stack.mail.requests.count, { ...stack.authorizationServer.tokenCalls }]
    for (let count = 0; count < 100; count += 1) {
      expect((await fetch(link, { method: count % 2 ? 'HEAD' : 'GET' })).status).toBe(200)
    }
    expect([stack.mail.requests.count, { ...stack.authorizationServer.tokenCalls }]).toEqual(requests)
    expect(await statusOf('ida')).toBe('PENDING_AUTH')
    expect((await connectFrom(browser, 'ida', link)).title).toBe('Your account is connected')
  })

  it('T34: another account at the service is connected only when the person says that it is meant', async () => {
    const browser = await signedIn('jane')
    await connectFrom(browser, 'jane-work')
    stack.authorizationServer.revokeUser('jane-work')
    await expect(latchkey.userTools('jane')).rejects.toMatchObject({ code: 'authorization_required' })
    expect(await statusOf('jane')).toBe('EXPIRED')

    // She is signed in at the service as somebody else now.
    const other = await signedIn('jane')
    const asked = await connectFrom(other, 'jane-home')
    expect(asked.status).toBe(409)
    expect(asked.text).toContain('another Acme Mail account')
    expect(await statusOf('jane')).toBe('EXPIRED')

    const confirmed = await asked.submit({ fields: { replace_account: 'yes' } })
    const done = await confirmed.submit({ button: 'Allow' })
    expect([done.status, done.title]).toEqual([200, 'Your account is connected'])
    expect(await statusOf('jane')).toBe('ACTIVE')
  })

  it('shows the start page instead of links wherever a user has to act', async () => {
    const { id } = await latchkey.ensureInstance('kate')
    const [mail]: readonly (ConnectionState | undefined)[] = await latchkey.getAuthState(id, { includeAuthLinks: true })
    expect(mail?.authenticationLink).toBe(startOf())
    await expect(latchkey.userTools('kate')).rejects.toMatchObject({
      connections: [expect.objectContaining({ authenticationLink: startOf() })],
    })
  })

  /** What the gateway has written down, the newest first. */
  async function auditedActions(): Promise<readonly string[]> {
    const { url, clientId, clientSecret } = stack.gateway
    const form = { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret }
    const answer = await fetch(`${url}/oauth/token`, { method: 'POST', body: new URLSearchParams(form) })
    const { access_token: token } = accessTokenResponseSchema.parse(await answer.json())
    const log = await fetch(`${url}/api/v1/audit_log?page_size=30`, { headers: { authorization: `Bearer ${token}` } })
    return auditLogSchema.parse(await log.json()).entries.map(({ action }) => action)
  }

  /** What the app's start page leads to, before anybody goes on from there. */
  async function gatewayLinkOf(browser: HttpBrowser, connection = 'mail'): Promise<string> {
    await browser.open(startOf(connection))
    return browser.visits.findLast(({ status }) => status === 303)?.headers.get('location') ?? ''
  }

  it('T5: leaves no secret of it in the log of the gateway', () => {
    expect(stack.logLines.join('\n')).not.toMatch(/auth_request_id|lklink_|state=/)
  })

  describe('in Chromium', () => {
    let browser: Browser
    beforeAll(async () => {
      browser = await openBrowser()
    })
    afterAll(async () => await browser.close())

    async function contextOf(user: string): Promise<{ context: BrowserContext; page: Page }> {
      const context = await browser.newContext()
      onTestFinished(async () => await context.close())
      const page = await context.newPage()
      await page.goto(`${app.origin}/sign-in/${user}`)
      await page.goto(app.origin)
      return { context, page }
    }

    it('T20: the honest way closes the popup, tells the page, and wakes whoever waits for the tools', async () => {
      const { page } = await contextOf('lena')
      const waiting = latchkey.userTools('lena', { onAuthorizationRequired: () => {} })
      const [popup] = await Promise.all([
        page.waitForEvent('popup'),
        page.getByRole('button', { name: 'Connect mail' }).click(),
      ])
      const closed = popup.waitForEvent('close')
      await consentIn(popup, 'lena')
      await closed
      await page.getByText('Connected: mail').waitFor()
      expect((await waiting).tools).toHaveLength(2)
    })

    it("T20: a link that was begun in another one's browser ends with a no", async () => {
      const link = await gatewayLinkOf(await signedIn('mona'))
      const { page } = await contextOf('nils')
      await page.goto(link)
      await consentIn(page, 'nils')
      await page.getByRole('heading', { name: 'This was not begun in this browser' }).waitFor()
      await savePicture(page, 'refused')
      expect(await statusOf('mona')).toBe('PENDING_AUTH')
      expect(stack.mail.calls.count('nils')).toBe(0)
    })

    it('works without JavaScript: the page says that it can be closed', async () => {
      const context = await browser.newContext({ javaScriptEnabled: false })
      onTestFinished(async () => await context.close())
      const page = await context.newPage()
      await page.goto(`${app.origin}/sign-in/olga`)
      await page.goto(startOf())
      await consentIn(page, 'olga')
      await page.getByText('You can close this window.').waitFor()
      await savePicture(page, 'connected')
      expect(await statusOf('olga')).toBe('ACTIVE')
    })
  })
})

async function consentIn(page: Page, account: string): Promise<void> {
  await page.getByRole('button', { name: 'Continue to Acme Mail' }).click()
  await page.getByLabel('Name').fill(account)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('button', { name: 'Allow' }).click()
}

/** For a person to look at: only where a folder is named for it. */
async function savePicture(page: Page, name: string): Promise<void> {
  const folder = process.env['LATCHKEY_PICTURES']
  if (folder !== undefined) await page.screenshot({ path: `${folder}/verification-${name}.png` })
}

describe('user verification on Postgres', () => {
  it('T21: succeeds once of 100 at the same time', async () => {
    const userVerification = { url: 'http://127.0.0.1:1/callback' }
    await using stack = await startStack({
      store: 'postgres',
      userVerification,
      configs: { 'email-agent': { directory: '*' } },
    })
    const page = await createHttpBrowser().open(await stack.linkFor('pia', 'directory'))
    const ended = await endOf(page, stack.directory.keys.issue('pia'))
    const id = ended.searchParams.get('auth_request_id') ?? ''
    const tries = await Promise.allSettled(Array.from({ length: 100 }, () => stack.latchkey.verifyUser('pia', id)))
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const { id: instanceId } = await stack.latchkey.ensureInstance('pia')
    expect((await stack.latchkey.getAuthState(instanceId)).map(({ status }) => status)).toEqual(['ACTIVE'])
  })
})

/** Sends the form with a key; gives the address that the browser is sent on to, which nobody serves. */
async function endOf(page: Awaited<ReturnType<HttpBrowser['open']>>, apiKey: string): Promise<URL> {
  const token = /name="csrf_token" value="([^"]+)"/.exec(page.html)?.[1] ?? ''
  const cookie = page.headers.getSetCookie().map((line) => line.split(';')[0] ?? '')
  const answer = await fetch(page.url, {
    method: 'POST',
    redirect: 'manual',
    headers: { cookie: cookie.join('; ') },
    body: new URLSearchParams({ csrf_token: token, api_key: apiKey }),
  })
  return new URL(answer.headers.get('location') ?? '')
}

describe('docs/user-verification.md', () => {
  it('shows the routes that these tests run', async () => {
    const [docs, demo] = await Promise.all(
      ['../../docs/user-verification.md', './fixtures/demoApp.ts'].map(
        async (path) => await readFile(new URL(path, import.meta.url), 'utf8'),
      ),
    )
    const routes = demo?.match(/^ *app\.get\('\/latchkey\/.*$/gm)?.map((line) => line.trim()) ?? []
    expect(routes).toHaveLength(2)
    for (const route of routes) expect(docs).toContain(route)
  })
})
