import { describe, expect, it } from 'vitest'
import { consentAs } from '../../../../test/src/fixtures/browser/consentAs.ts'
import { createHttpBrowser } from '../../../../test/src/fixtures/browser/httpBrowser.ts'
import { createConnect } from '../../src/connect/connect.ts'
import { startWorld, type WorldOptions } from '../oauth/support/world.ts'

const MINUTE = 60_000
const API_KEY = { type: 'api_key', header: 'X-Api-Key' } as const
const SECRET_KEY = 'key-canary-51ab'

const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': expect.stringMatching(
    /^default-src 'none'; style-src 'sha256-[\w+/=]+'; script-src 'sha256-[\w+/=]+'; connect-src 'self'; form-action 'self' https: http:\/\/127\.0\.0\.1:\* http:\/\/localhost:\*; base-uri 'none'; frame-ancestors 'none'$/,
  ),
  'cross-origin-opener-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
}

function expectHeaders(response: { headers: Headers }): void {
  expect(Object.fromEntries(response.headers)).toMatchObject(HEADERS)
}

const hiddenToken = (html: string) => /name="csrf_token" value="([^"]+)"/.exec(html)?.[1] ?? ''

const form = (csrfToken: string) => new URLSearchParams({ csrf_token: csrfToken })

async function startWithKey(verdict: 'accepted' | 'rejected' | 'unreachable') {
  const keys: string[] = []
  const verifyCredential: WorldOptions['verifyCredential'] = async (_connection, credential) => {
    const key = credential.type === 'api_key' ? credential.key : JSON.stringify(credential)
    keys.push(key)
    return verdict
  }
  return { ...(await startWorld({ auth: API_KEY, verifyCredential })), keys }
}

describe('createConnect', () => {
  describe('the page of a link', () => {
    it('T22: says who asks for what, and nothing of the user', async () => {
      const { browser, newLink, accountId } = await startWorld()
      const page = await browser.open(newLink().url)
      expect(page.status).toBe(200)
      expect(page.text).toContain('Acme Agent asks to use your Acme Mail account.')
      expect(page.buttons).toEqual(['Continue to Acme Mail'])
      expect(page.html).not.toContain('user_private_123')
      expect(page.html).not.toContain(accountId)
      expect(page.html).not.toMatch(/(src|href|url)\s*[=(]/i)
      expectHeaders(page)
    })

    it('escapes names', async () => {
      const { browser, newLink } = await startWorld({ displayName: '<script>alert(1)</script>"\'' })
      const { html, text } = await browser.open(newLink().url)
      expect(html).not.toContain('<script>alert')
      expect(text).toContain('<script>alert(1)</script>')
    })

    it.each(['GET', 'HEAD'])('T23: has no effect however often somebody sends %s', async (method) => {
      const { newLink, provider, mail, flows, accounts, send } = await startWorld()
      const { url } = newLink()
      const before = JSON.stringify(provider.tokenCalls)
      for (let count = 0; count < 100; count++) expect((await send(url, { method })).status).toBe(200)
      expect(JSON.stringify(provider.tokenCalls)).toBe(before)
      expect([provider.registrations, mail.requests.count, flows.kept.size, accounts.activations]).toEqual([0, 0, 0, 0])
    })

    it.each([
      ['is unknown', 404, 'This link is not valid', async () => '/connect/lklink_made-up'],
      ['has expired', 410, 'This link has expired', expiredLink],
      ['was used for an account that has ended since', 410, 'This link was already used', usedLink],
    ])('says what to do when the link %s', async (_case, status, title, pathOf) => {
      const world = await startWorld()
      const page = await world.browser.open(world.origin + (await pathOf(world)))
      expect([page.status, page.title, page.buttons]).toEqual([status, title, []])
      expectHeaders(page)
    })

    it('says that the account is connected when another link has done it', async () => {
      const world = await startWorld()
      const { url } = world.newLink()
      await consentAs('anna', world.newLink().url)
      expect((await world.browser.open(url)).title).toBe('Acme Mail is connected')
    })

    it.each(['/connect', '/connect/', '/connect/lklink_x/'])(
      'says that the link is not valid when it was cut or grew on its way: %s',
      async (path) => {
        const { browser, origin } = await startWorld()
        const page = await browser.open(origin + path)
        expect([page.status, page.title]).toEqual([404, 'This link is not valid'])
        expectHeaders(page)
      },
    )

    it('tells its script the state', async () => {
      const world = await startWorld()
      const { url } = world.newLink()
      const stateOf = async (link: string) => (await world.send(`${link}/status`)).json()
      expect(await stateOf(url)).toEqual({ state: 'open' })
      world.clock.advance(11 * MINUTE)
      expect(await stateOf(url)).toEqual({ state: 'expired' })
      const fresh = world.newLink().url
      await consentAs('anna', fresh)
      expect(await stateOf(fresh)).toEqual({ state: 'connected' })
      expectHeaders(await world.send(`${fresh}/status`))
    })
  })

  describe('the form of a link', () => {
    it.each([
      ['from another site', { 'sec-fetch-site': 'cross-site' }],
      ['from a sibling site', { 'sec-fetch-site': 'same-site' }],
      ['from nowhere', { 'sec-fetch-site': 'none' }],
      ['with the origin of another', { origin: 'https://evil.example' }],
      ['without the cookie of the page', { cookie: '' }],
      ['with the cookie of another', { cookie: 'latchkey_page=other' }],
    ])('T35: is refused when it comes %s', async (_case, headers) => {
      const { browser, newLink, send, flows, mail } = await startWorld()
      const { url } = newLink()
      const csrfToken = hiddenToken((await browser.open(url)).html)
      const response = await send(url, { method: 'POST', body: form(csrfToken), headers })
      expect(response.status).toBe(403)
      expectHeaders(response)
      expect([flows.kept.size, mail.requests.count]).toEqual([0, 0])
    })

    it.each(['', 'forged'])('is refused when its token is "%s"', async (csrfToken) => {
      const { browser, newLink, send, flows } = await startWorld()
      const { url } = newLink()
      await browser.open(url)
      expect((await send(url, { method: 'POST', body: form(csrfToken) })).status).toBe(403)
      expect(flows.kept.size).toBe(0)
    })

    it('is refused when its token belongs to another link', async () => {
      const { browser, newLink, send, flows } = await startWorld()
      const csrfToken = hiddenToken((await browser.open(newLink().url)).html)
      expect((await send(newLink().url, { method: 'POST', body: form(csrfToken) })).status).toBe(403)
      expect(flows.kept.size).toBe(0)
    })

    it('is refused when it is huge', async () => {
      const { newLink, send } = await startWorld()
      expect((await send(newLink().url, { method: 'POST', body: form('x'.repeat(20_000)) })).status).toBe(413)
    })

    it('is taken without a length, and refused when it then is huge', async () => {
      const { browser, newLink, send } = await startWorld()
      const { url } = newLink()
      const sendStream = async (csrfToken: string) => {
        const body = new Blob([form(csrfToken).toString()]).stream()
        const headers = { 'content-type': 'application/x-www-form-urlencoded' }
        const streamed = { method: 'POST', headers, body, duplex: 'half' } as const
        return await send(url, streamed)
      }
      const huge = await sendStream('x'.repeat(20_000))
      expect([huge.status, await huge.text()]).toEqual([413, expect.stringContaining('That was too long')])
      expect((await sendStream(hiddenToken((await browser.open(url)).html))).status).toBe(303)
    })

    it('leads to nothing, and nobody to the provider, when its link goes at that moment', async () => {
      const { browser, newLink, send, flows } = await startWorld()
      const { url, token } = newLink()
      const csrfToken = hiddenToken((await browser.open(url)).html)
      flows.loseLink()
      const response = await send(url, { method: 'POST', body: form(csrfToken) })
      expect([response.status, response.headers.get('location')]).toEqual([303, `/connect/${token}`])
      expect(response.headers.getSetCookie()).toEqual([])
    })

    it('T24: leads to the provider, with a cookie that is set only then', async () => {
      const { browser, newLink, send, provider, flows } = await startWorld()
      const { url, token } = newLink()
      const page = await browser.open(url)
      expect(page.headers.getSetCookie().join()).not.toContain('latchkey_flow')
      const response = await send(url, { method: 'POST', body: form(hiddenToken(page.html)) })
      expect(response.status).toBe(303)
      expectHeaders(response)
      const location = new URL(response.headers.get('location') ?? '')
      expect(location.origin).toBe(provider.issuer)
      expect(response.headers.getSetCookie()).toEqual([
        expect.stringMatching(/^latchkey_flow_[0-9a-f]{16}=[\w-]{43}; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/),
      ])
      const [flow] = flows.kept.values()
      const kept = JSON.stringify(flow) + Buffer.from(flow?.sealedAttempt ?? []).toString('latin1')
      const cookie = response.headers.getSetCookie()[0]?.split(/[=;]/)[1] ?? ''
      for (const secret of [location.searchParams.get('state') ?? '', cookie, token]) expect(kept).not.toContain(secret)
    })

    it('says that the service does not answer, and can be sent again', async () => {
      const world = await startWorld()
      const { url } = world.newLink()
      await world.mail.close()
      const page = await (await world.browser.open(url)).submit()
      expect([page.status, page.buttons]).toEqual([502, ['Continue to Acme Mail']])
      expect(page.text).toContain('Acme Mail does not answer at the moment.')
      expect(world.reports.map(({ code }) => code)).toEqual(['upstream_unavailable'])
      expectHeaders(page)
    })

    it('T24: uses cookies that only this host can set when the gateway is on https', async () => {
      const world = await startWorld()
      const app = createConnect({
        ...world,
        publicUrl: 'https://gateway.example',
        appName: 'Acme Agent',
        verifyCredential: async () => 'accepted',
      })
      const response = await app.request(`https://gateway.example/connect/${world.newLink().token}`)
      expect(response.headers.getSetCookie()).toEqual([
        expect.stringMatching(/^__Host-latchkey_page=[\w-]{43}; Path=\/; HttpOnly; Secure; SameSite=Lax$/),
      ])
      expect(response.headers.get('content-security-policy')).toContain("form-action 'self' https:;")
    })
  })

  it('serves the document that says who we are to authorization servers', async () => {
    const { origin } = await startWorld()
    const name = `${'a'.repeat(22)}.json`
    const response = await fetch(`${origin}/oauth/client-metadata/${name}`)
    expect(response.headers.get('content-type')).toMatch(/^application\/json/)
    expect(response.headers.get('cache-control')).toBe('public, max-age=3600')
    expect(await response.json()).toMatchObject({ client_id: `${origin}/oauth/client-metadata/${name}` })
    expect((await fetch(`${origin}/oauth/client-metadata/other`)).status).toBe(404)
  })

  describe('the callback', () => {
    it('connects the account and leaves no code and no state in the address', async () => {
      const { browser, newLink, accounts, accountId, provider, mail } = await startWorld()
      const { url } = newLink()
      const page = await consentAs('anna', url, { browser })
      expect([page.status, page.title, page.url]).toEqual([200, 'Acme Mail is connected', url])
      expectHeaders(page)
      expect(accounts.account(accountId)).toMatchObject({ status: 'ACTIVE', generation: 1 })
      expect(provider.tokenCalls.authorization_code).toBe(1)
      expect((await accounts.readCredential(accountId))?.credential).toMatchObject({
        type: 'oauth2',
        issuer: provider.issuer,
        resource: mail.url,
        refreshToken: expect.any(String),
      })
      const callback = browser.visits.find((visit) => new URL(visit.url).pathname.startsWith('/oauth/callback/'))
      expect(callback?.status).toBe(303)
      expect(callback?.headers.getSetCookie().join()).toMatch(/latchkey_flow_\w+=; Max-Age=0/)
    })

    it('T71: is in the audit log from its beginning to its end, whose it is and nothing secret', async () => {
      const { browser, newLink, accountId, connection, audited } = await startWorld()
      const { url, token } = newLink()
      await consentAs('anna', url, { browser, decision: 'deny' })
      await consentAs('anna', url, { browser })
      expect(audited.map(({ action, outcome }) => [action, outcome])).toEqual([
        ['consent.begun', 'ok'],
        ['consent.declined', 'refused'],
        ['consent.begun', 'ok'],
        ['consent.completed', 'ok'],
      ])
      for (const entry of audited) {
        expect(entry).toMatchObject({ userIdentifier: 'user_private_123', accountId, connectionId: connection.id })
      }
      expect(JSON.stringify(audited)).not.toContain(token)
    })

    it('T71: is in the audit log when it fails', async () => {
      const { browser, newLink, audited } = await startWithKey('rejected')
      const page = await browser.open(newLink().url)
      await page.submit({ fields: { api_key: SECRET_KEY } })
      expect(audited).toMatchObject([
        { action: 'consent.failed', outcome: 'failed', details: { reason: 'key-rejected' } },
      ])
      expect(JSON.stringify(audited)).not.toContain(SECRET_KEY)
    })

    it('connects nothing when consent is declined, and the same link may be tried again', async () => {
      const { browser, newLink, accounts, accountId, provider } = await startWorld()
      const { url } = newLink()
      const page = await consentAs('anna', url, { browser, decision: 'deny' })
      expect(page.status).toBe(403)
      expect(page.text).toContain('Access was declined')
      expect(page.url).not.toMatch(/state=|error=|code=/)
      expectHeaders(page)
      expect(accounts.account(accountId).status).toBe('PENDING_AUTH')
      expect(provider.tokenCalls.authorization_code).toBe(0)
      expect((await consentAs('anna', url)).title).toBe('Acme Mail is connected')
    })

    it('T24: takes no answer in another browser than the one that began, which may then still finish', async () => {
      const world = await startWorld()
      const callbackUrl = await world.callbackUrlOf(world.newLink().url)
      const stranger = await createHttpBrowser().open(callbackUrl)
      expect([stranger.status, stranger.title]).toEqual([403, 'This sign-in began in another browser'])
      expect(stranger.url).toBe(`${world.origin}/oauth/result/other-browser`)
      expectHeaders(stranger)
      expect(world.provider.tokenCalls.authorization_code).toBe(0)
      expect((await world.browser.open(callbackUrl)).title).toBe('Acme Mail is connected')
    })

    it('T25: redeems the code once when the callback comes fifty times at the same time', async () => {
      const world = await startWorld()
      const callbackUrl = await world.callbackUrlOf(world.newLink().url)
      world.flows.gatherFinds(50)
      const responses = await Promise.all(Array.from({ length: 50 }, () => world.send(callbackUrl)))
      expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([303]))
      expect(world.provider.tokenCalls.authorization_code).toBe(1)
      expect(world.accounts.activations).toBe(1)
    })

    it('T24: takes no answer with a cookie that somebody made up', async () => {
      const world = await startWorld()
      const callbackUrl = await world.callbackUrlOf(world.newLink().url)
      const cookies = await world.browser.cookies.getCookieString(callbackUrl)
      const cookie = cookies.replace(/(latchkey_flow_[0-9a-f]{16})=[\w-]+/, `$1=${'A'.repeat(43)}`)
      expect(cookie).not.toBe(cookies)
      const stranger = await fetch(callbackUrl, { headers: { cookie } })
      expect([stranger.status, stranger.url]).toEqual([403, `${world.origin}/oauth/result/other-browser`])
      expect(world.provider.tokenCalls.authorization_code).toBe(0)
    })

    it('T24: says that it was finished already when it is opened again', async () => {
      const world = await startWorld()
      const callbackUrl = await world.callbackUrlOf(world.newLink().url)
      const cookie = await world.browser.cookies.getCookieString(callbackUrl)
      await world.browser.open(callbackUrl)
      const again = await fetch(callbackUrl, { headers: { cookie } })
      expect([again.status, again.url]).toEqual([409, `${world.origin}/oauth/result/used`])
      expect(world.provider.tokenCalls.authorization_code).toBe(1)
    })

    it('is not used up by HEAD', async () => {
      const world = await startWorld()
      const callbackUrl = await world.callbackUrlOf(world.newLink().url)
      expect((await world.send(callbackUrl, { method: 'HEAD' })).status).toBe(405)
      expect((await world.browser.open(callbackUrl)).title).toBe('Acme Mail is connected')
    })

    it('T24: is too late after ten minutes', async () => {
      const world = await startWorld()
      const callbackUrl = await world.callbackUrlOf(world.newLink().url)
      world.clock.advance(11 * MINUTE)
      const page = await world.browser.open(callbackUrl)
      expect([page.status, page.title]).toEqual([410, 'This sign-in took too long'])
      expect(world.provider.tokenCalls.authorization_code).toBe(0)
    })

    it.each([
      ['another', (url: URL) => url.searchParams.set('state', 'forged')],
      ['missing', (url: URL) => url.searchParams.delete('state')],
      ['there twice', (url: URL) => url.searchParams.append('state', 'forged')],
    ])('T24: is refused when the state is %s', async (_case, change) => {
      const world = await startWorld()
      const url = new URL(await world.callbackUrlOf(world.newLink().url))
      change(url)
      const page = await world.browser.open(url.href)
      expect([page.status, page.title]).toEqual([400, 'This sign-in is not known'])
      expect(world.provider.tokenCalls.authorization_code).toBe(0)
    })

    it('sends the code nowhere when the issuer is another', async () => {
      const world = await startWorld()
      const url = new URL(await world.callbackUrlOf(world.newLink().url))
      url.searchParams.set('iss', 'https://evil.example')
      expect((await world.browser.open(url.href)).status).toBe(502)
      expect(world.provider.tokenCalls.authorization_code).toBe(0)
    })

    it('shows no declined consent that another issuer made up', async () => {
      const world = await startWorld()
      const url = new URL(await world.callbackUrlOf(world.newLink().url))
      url.searchParams.delete('code')
      url.searchParams.set('iss', 'https://evil.example')
      url.searchParams.set('error', 'access_denied')
      expect((await world.browser.open(url.href)).text).not.toContain('declined')
    })

    it('T24: redeems one code when one link is followed in two tabs', async () => {
      const world = await startWorld()
      const { url } = world.newLink()
      const first = await world.callbackUrlOf(url)
      const second = await world.callbackUrlOf(url)
      expect((await world.browser.open(first)).title).toBe('Acme Mail is connected')
      expect((await world.browser.open(second)).title).toBe('Acme Mail is connected')
      expect(world.provider.tokenCalls.authorization_code).toBe(1)
    })

    it('may be tried again with the same link when the provider fails for a moment', async () => {
      const world = await startWorld()
      const { url } = world.newLink()
      world.provider.failTokenCalls({ status: 503 })
      const page = await consentAs('anna', url, { browser: world.browser })
      expect([page.status, page.buttons]).toEqual([502, ['Continue to Acme Mail']])
      expect((await consentAs('anna', url)).title).toBe('Acme Mail is connected')
    })

    it('connects nothing, and may be tried again with the same link, when the account is changed at the same moment', async () => {
      const world = await startWorld()
      const { url } = world.newLink()
      world.accounts.interruptNext()
      const page = await consentAs('anna', url, { browser: world.browser })
      expect([page.status, page.buttons]).toEqual([409, ['Continue to Acme Mail']])
      expect(page.text).toContain('changed elsewhere at the same moment')
      expect(world.reports.map(({ code }) => code)).toEqual(['conflict'])
      expect((await consentAs('anna', url)).title).toBe('Acme Mail is connected')
    })

    it('knows no other problems than its own', async () => {
      const { browser, origin } = await startWorld()
      expect((await browser.open(`${origin}/oauth/result/__proto__`)).status).toBe(404)
    })
  })

  describe('the form for an API key', () => {
    it('connects the account when the upstream accepts the key', async () => {
      const { browser, newLink, accounts, accountId, keys } = await startWithKey('accepted')
      const { url } = newLink()
      const page = await consentAs('anna', url, { browser, apiKey: ` ${SECRET_KEY} ` })
      expect([page.title, page.url]).toEqual(['Acme Mail is connected', url])
      expect(keys).toEqual([SECRET_KEY])
      expect((await accounts.readCredential(accountId))?.credential).toMatchObject({ type: 'api_key', key: SECRET_KEY })
    })

    it.each([
      ['rejected', 422, 'does not accept this key'],
      ['unreachable', 502, 'does not answer at the moment'],
    ] as const)('keeps nothing when the key is %s', async (verdict, status, text) => {
      const { browser, newLink, accounts, accountId } = await startWithKey(verdict)
      const page = await consentAs('anna', newLink().url, { browser, apiKey: SECRET_KEY })
      expect([page.status, page.fields]).toEqual([status, ['Your Acme Mail API key']])
      expect(page.text).toContain(text)
      expect(page.html).not.toContain(SECRET_KEY)
      expectHeaders(page)
      expect([accounts.account(accountId).status, accounts.activations]).toEqual(['PENDING_AUTH', 0])
    })

    it.each(['', '   ', 'two words', 'line\r\nX-Evil: 1', 'schlüssel', 'x'.repeat(5000)])(
      'asks nobody about %j',
      async (apiKey) => {
        const { browser, newLink, keys } = await startWithKey('accepted')
        const page = await consentAs('anna', newLink().url, { browser, apiKey })
        expect(page.status).toBe(400)
        expect(keys).toEqual([])
      },
    )

    it('may be sent again when the account is changed at the same moment', async () => {
      const { newLink, accounts } = await startWithKey('accepted')
      const { url } = newLink()
      accounts.interruptNext()
      expect((await consentAs('anna', url, { apiKey: SECRET_KEY })).status).toBe(409)
      expect((await consentAs('anna', url, { apiKey: SECRET_KEY })).title).toMatch(/is connected$/)
    })

    it('connects once when it is sent twenty times at the same time', async () => {
      const { browser, newLink, send, accounts } = await startWithKey('accepted')
      const { url } = newLink()
      const csrfToken = hiddenToken((await browser.open(url)).html)
      const body = new URLSearchParams({ csrf_token: csrfToken, api_key: SECRET_KEY })
      const responses = await Promise.all(Array.from({ length: 20 }, () => send(url, { method: 'POST', body })))
      expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([303]))
      expect(accounts.activations).toBe(1)
    })
  })
})

type World = Awaited<ReturnType<typeof startWorld>>

async function expiredLink({ newLink, clock }: World): Promise<string> {
  const { token } = newLink()
  clock.advance(11 * MINUTE)
  return `/connect/${token}`
}

async function usedLink({ newLink, accounts, accountId }: World): Promise<string> {
  const { token, url } = newLink()
  await consentAs('anna', url)
  await accounts.setStatus(accounts.account(accountId), 'EXPIRED')
  return `/connect/${token}`
}
