import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { consentAs, createHttpBrowser, type Stack, startStack } from './fixtures/index.ts'

const MINUTE_MS = 60_000

describe('an authentication link', () => {
  let stack: Stack
  let now = Date.now()
  beforeAll(async () => {
    stack = await startStack({ clock: () => now })
  })
  afterAll(async () => await stack[Symbol.asyncDispose]())

  async function statusOf(user: string, connection: string): Promise<string | undefined> {
    const { id } = await stack.latchkey.ensureInstance(user)
    const states = await stack.latchkey.getAuthState(id)
    return states.find(({ connectionName }) => connectionName === connection)?.status
  }

  it('connects the account when the person allows', async () => {
    const page = await consentAs('alice', await stack.linkFor('alice', 'mail'))
    expect(page.status).toBe(200)
    expect(page.title).toBe('Acme Mail is connected')
    expect(page.url).not.toMatch(/code=|state=/)
    expect(await statusOf('alice', 'mail')).toBe('ACTIVE')
  })

  it('says so, connects nothing and can be tried again when the person denies', async () => {
    const link = await stack.linkFor('bob', 'mail')
    const browser = createHttpBrowser()
    const declined = await consentAs('bob', link, { browser, decision: 'deny' })
    expect(declined.text).toContain('Access was declined')
    expect(await statusOf('bob', 'mail')).toBe('PENDING_AUTH')

    const allowed = await consentAs('bob', link, { browser })
    expect(allowed.title).toBe('Acme Mail is connected')
    expect(await statusOf('bob', 'mail')).toBe('ACTIVE')
  })

  it('starts nothing when it was used already', async () => {
    const link = await stack.linkFor('carol', 'calendar')
    await consentAs('carol', link)
    const codes = stack.authorizationServer.tokenCalls.authorization_code
    const page = await createHttpBrowser().open(link)
    expect(page.text).toContain('is connected')
    expect(page.buttons).toEqual([])
    expect(stack.authorizationServer.tokenCalls.authorization_code).toBe(codes)
  })

  it('has no effect when it is opened a hundred times', async () => {
    const link = await stack.linkFor('dave', 'mail')
    const browser = createHttpBrowser()
    for (let count = 0; count < 100; count += 1) expect((await browser.open(link)).status).toBe(200)
    expect(await statusOf('dave', 'mail')).toBe('PENDING_AUTH')
  })

  it('says that it has expired when its time is over', async () => {
    const link = await stack.linkFor('erin', 'mail')
    now += 11 * MINUTE_MS
    const page = await createHttpBrowser().open(link)
    expect(page.status).toBe(410)
    expect(page.title).toBe('This link has expired')
    expect(page.buttons).toEqual([])
  })

  it('refuses the callback when it arrives in another browser than the one that started', async () => {
    const link = await stack.linkFor('frank', 'mail')
    const victim = createHttpBrowser()
    const atProvider = await (await victim.open(link)).submit()
    const codes = stack.authorizationServer.tokenCalls.authorization_code
    // The provider's page is carried over to a browser that has the provider's cookies and none of the gateway's.
    for (const name of await gatewayCookies(victim, stack.gateway.url))
      await removeCookie(victim, stack.gateway.url, name)
    const consentPage = await atProvider.submit({ fields: { Name: 'frank' } })
    const page = await consentPage.submit({ button: 'Allow' })
    expect(page.title).toBe('This sign-in began in another browser')
    expect(page.status).toBe(403)
    expect(stack.authorizationServer.tokenCalls.authorization_code).toBe(codes)
    expect(await statusOf('frank', 'mail')).toBe('PENDING_AUTH')
  })

  it('redeems the code once when the callback is replayed', async () => {
    const browser = createHttpBrowser()
    await consentAs('grace', await stack.linkFor('grace', 'mail'), { browser })
    const codes = stack.authorizationServer.tokenCalls.authorization_code
    const callback = browser.visits.find(({ url }) => url.includes('/oauth/callback'))?.url ?? ''
    const replays = await Promise.all(Array.from({ length: 20 }, async () => await browser.open(callback)))
    expect(replays.every(({ url }) => !/code=|state=/.test(url))).toBe(true)
    expect(stack.authorizationServer.tokenCalls.authorization_code).toBe(codes)
    expect(await statusOf('grace', 'mail')).toBe('ACTIVE')
  })

  it('connects the account once and fails nobody when two browsers finish two links at the same time', async () => {
    const links = [await stack.linkFor('ivan', 'mail'), await stack.linkFor('ivan', 'mail')]
    const pages = await Promise.all(links.map(async (link) => await consentAs('ivan', link)))
    expect(pages.map(({ status, title }) => `${status} ${title}`)).toEqual([
      '200 Acme Mail is connected',
      '200 Acme Mail is connected',
    ])
    expect(await statusOf('ivan', 'mail')).toBe('ACTIVE')
  })

  it('takes an API key when the upstream accepts it, and says so when it does not', async () => {
    const link = await stack.linkFor('heidi', 'directory')
    const refused = await consentAs('heidi', link, { apiKey: 'not-a-key' })
    expect(refused.text).toContain('does not accept this key')
    expect(refused.html).not.toContain('not-a-key')
    expect(await statusOf('heidi', 'directory')).toBe('PENDING_AUTH')

    const accepted = await consentAs('heidi', link, { apiKey: stack.directory.keys.issue('heidi') })
    expect(accepted.title).toBe('Acme Directory is connected')
    expect(await statusOf('heidi', 'directory')).toBe('ACTIVE')
  })

  it('is refused without a word about anybody when it was made up', async () => {
    const page = await createHttpBrowser().open(`${stack.gateway.url}/connect/lklink_made-up`)
    expect(page.status).toBe(404)
    expect(page.title).toBe('This link is not valid')
  })
})

type HttpBrowser = ReturnType<typeof createHttpBrowser>

async function gatewayCookies({ cookies }: HttpBrowser, url: string): Promise<string[]> {
  return (await cookies.getCookies(url)).map(({ key }) => key).filter((key) => key.includes('latchkey'))
}

async function removeCookie({ cookies }: HttpBrowser, url: string, name: string): Promise<void> {
  await cookies.setCookie(`${name}=; Path=/; Max-Age=0`, url)
}
