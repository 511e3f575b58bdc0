import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createUsers } from '../../examples/src/chat-server/users.ts'
import { PASSWORDS, type RunningChat, startChat } from '../../examples/src/world/startChat.ts'
import { canaryOf, offsiteOf, openBrowser, secretsIn } from './fixtures/index.ts'

type Name = keyof typeof PASSWORDS

// Each wait has a time-out of its own.
describe('examples/src/chat-server, in Chromium', { timeout: 120_000 }, () => {
  let chat: RunningChat
  let browser: Browser
  let alice: Visitor
  let bob: Visitor
  beforeAll(async () => {
    const [running, opened] = await Promise.all([startChat(), openBrowser()])
    chat = running
    browser = opened
    const visitors = await Promise.all([signIn(browser, chat, 'alice'), signIn(browser, chat, 'bob')])
    alice = visitors[0]
    bob = visitors[1]
  })
  afterAll(async () => {
    await browser.close()
    await chat[Symbol.asyncDispose]()
  })

  it('asks two people for consent with cards, and goes on by itself with the data of each', async () => {
    const { mail } = chat.world.stack
    await Promise.all([askFirst(alice), askFirst(bob)])
    expect([mail.calls.count(alice.user, 'read_mail'), mail.calls.count(bob.user, 'read_mail')]).toEqual([1, 1])
  })

  it('shows a card in the middle of a run whose grant has ended, and makes the same call once after it', async () => {
    const { page, user, name } = alice
    const { stack } = chat.world
    stack.mail.faults.failNext({ user, method: 'tools/call', tool: 'send_mail', status: 401 })
    stack.authorizationServer.failTokenCalls({ status: 400, error: 'invalid_grant' })
    await ask(page, 'Tell Dana in a mail that I am coming')
    await page.getByRole('link', { name: 'Connect Acme Mail' }).waitFor()
    await savePictures(page, `${name}-middle`)
    expect(stack.mail.calls.count(user, 'send_mail')).toBe(0)
    await connect(page, 'Acme Mail', user)
    await page.getByText('Sent "The offsite"').waitFor()
    await savePictures(page, `${name}-sent`)
    expect(stack.mail.calls.count(user, 'send_mail')).toBe(1)
  })

  it('shows the same conversation when the page is loaded again', async () => {
    await alice.page.reload()
    await alice.page.getByText(offsiteOf(alice.user).location).waitFor()
    expect(await alice.page.getByRole('region', { name: 'is connected' }).count()).toBe(3)
    expect(await alice.page.getByRole('link', { name: /^Connect/ }).count()).toBe(0)
  })

  it("gives each browser its own user's data, no link of the gateway, and nothing to complain of", async () => {
    const [ofAlice, ofBob] = await Promise.all([alice.received(), bob.received()])
    expect([has(ofAlice, 'alice'), has(ofAlice, 'bob')]).toEqual([true, false])
    expect([has(ofBob, 'bob'), has(ofBob, 'alice')]).toEqual([true, false])
    expect(`${ofAlice}${ofBob}`).toContain('/latchkey/start?connection=mail')
    expect(`${ofAlice}${ofBob}`).not.toMatch(/lklink_|lkurl_/)
    expect([...alice.errors, ...bob.errors]).toEqual([])
  })

  it('ends the session, the tools and the grants of who signs out, and of nobody else', async () => {
    const { latchkey, stack } = chat.world
    const endpoint = await latchkey.ready(alice.user)
    const [url, headers] = [endpoint.url, await endpoint.headers()]
    const { tools } = await latchkey.userTools(alice.user)
    const search = tools.find(({ mcpName }) => mcpName === 'mail__search_mail')
    expect(await statusOf(url, headers)).toBe(200)
    const cookie = await cookieOf(alice)
    const [executed, grants] = [stack.mail.calls.count(alice.user), stack.authorizationServer.revokedGrants]

    await alice.page.getByRole('button', { name: 'Sign out' }).click()
    await alice.page.getByRole('heading', { name: 'Welcome back' }).waitFor()
    expect((await fetch(`${chat.origin}/chat`, { headers: { cookie } })).status).toBe(401)
    expect(await statusOf(url, headers)).toBe(401)
    await expect(search?.call({ query: 'offsite' })).rejects.toMatchObject({ code: 'unauthorized' })
    expect(stack.mail.calls.count(alice.user)).toBe(executed)
    expect(stack.authorizationServer.revokedGrants).toBe(grants + 2)

    await ask(bob.page, 'Put the offsite in my calendar')
    await bob.page.getByText('is in your calendar.').waitFor()
    const titles = stack.calendar.eventsOf(bob.user).map(({ title }) => title)
    expect(titles.filter((title) => title === 'Team offsite')).toHaveLength(1)
  })

  /** What this person's browser sends to the chat. */
  async function cookieOf({ page }: Visitor): Promise<string> {
    const cookies = await page.context().cookies(chat.origin)
    return cookies.map(({ name, value }) => `${name}=${value}`).join('; ')
  }

  it('ends what is under way at sign-out', async () => {
    const { mail } = chat.world.stack
    const executed = mail.calls.count(bob.user)
    const call = mail.faults.holdNext({ user: bob.user, method: 'tools/call' })
    const headers = { cookie: await cookieOf(bob), 'content-type': 'application/json' }
    const body = JSON.stringify({ text: 'When is the offsite?' })
    const response = await fetch(`${chat.origin}/chat`, { method: 'POST', headers, body })
    await call.entered
    await bob.page.getByRole('button', { name: 'Sign out' }).click()
    await bob.page.getByRole('heading', { name: 'Welcome back' }).waitFor()
    expect(await response.text()).toContain('"type":"abort"')
    call.release()
    expect(mail.calls.count(bob.user)).toBe(executed)
  })

  it('lets in nobody with a wrong password, and takes nothing that another site sends', async () => {
    const body = new URLSearchParams({ name: 'alice', password: PASSWORDS.bob })
    const refused = await fetch(`${chat.origin}/sign-in`, { method: 'POST', body, headers: { origin: chat.origin } })
    expect([refused.status, refused.headers.getSetCookie()]).toEqual([401, []])
    expect(await refused.text()).toContain('role="alert">That name and password do not go together.')
    const right = new URLSearchParams({ name: 'alice', password: PASSWORDS.alice })
    const headers = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
    const foreign = await fetch(`${chat.origin}/sign-in`, { method: 'POST', body: right, headers })
    expect([foreign.status, foreign.headers.getSetCookie()]).toEqual([403, []])
  })

  it('keeps its session in a cookie that no script reads, under a policy that lets in no foreign code', async () => {
    const body = new URLSearchParams({ name: 'alice', password: PASSWORDS.alice })
    const init = { method: 'POST', body, headers: { origin: chat.origin }, redirect: 'manual' } as const
    const cookies = (await fetch(`${chat.origin}/sign-in`, init)).headers.getSetCookie()
    expect(cookies).toEqual([
      expect.stringMatching(/^session=[\w-]{43}; Max-Age=28800; Path=\/; HttpOnly; SameSite=Lax$/),
    ])
    const page = await fetch(`${chat.origin}/sign-in`)
    const policy = page.headers.get('content-security-policy')
    expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self';.*frame-ancestors 'none'/)
    expect(policy).not.toContain('unsafe')
  })

  it('writes nothing of anybody into its log', () => {
    expect(chat.output()).toBe(`The chat is at ${chat.origin}\n`)
  })
})

describe('createUsers', () => {
  it.each(['', 'alice', 'alice:', ':secret', 'alice:secret,'])('throws when the list is %j', (list) => {
    expect(() => createUsers(list)).toThrow(TypeError)
  })
})

interface Visitor {
  readonly name: Name
  readonly user: string
  readonly page: Page
  /** What the browser complained of. */
  readonly errors: readonly string[]
  /** All that came from the chat's server. */
  readonly received: () => Promise<string>
}

/** A browser of one's own, in which this person has signed in. */
async function signIn(browser: Browser, { origin }: RunningChat, name: Name): Promise<Visitor> {
  const context = await browser.newContext()
  const texts: Promise<string>[] = []
  const errors: string[] = []
  context.on('response', (response) => {
    if (response.url().startsWith(origin)) texts.push(response.text().catch(() => ''))
  })
  const page = await context.newPage()
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()))
  page.on('pageerror', (error) => errors.push(String(error)))
  await page.goto(origin)
  await savePictures(page, 'sign-in')
  await page.getByLabel('Name').fill(name)
  await page.getByLabel('Password').fill(PASSWORDS[name])
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('heading', { name: 'What can I do for you?' }).waitFor()
  await savePictures(page, 'welcome')
  return { name, user: `user_${name}`, page, errors, received: async () => (await Promise.all(texts)).join('\n') }
}

async function ask(page: Page, text: string): Promise<void> {
  await page.getByLabel('Message').fill(text)
  await page.getByRole('button', { name: 'Send' }).click()
}

/** Asks what needs both accounts, connects them, and waits for the answer. */
async function askFirst({ page, user, name }: Visitor): Promise<void> {
  await ask(page, 'When is the offsite?')
  await page.getByRole('link', { name: 'Connect Acme Mail' }).waitFor()
  await savePictures(page, `${name}-cards`)
  await connect(page, 'Acme Mail', user)
  await connect(page, 'Acme Calendar', user)
  const { start, location } = offsiteOf(user)
  await page
    .getByText(`${start.slice(11, 16)} to`)
    .and(page.getByText(location))
    .waitFor()
  await savePictures(page, `${name}-answer`)
}

/** Uses a card: a window opens, the person consents at the service, the window closes, and the card says so. */
async function connect(page: Page, service: string, account: string): Promise<void> {
  const connected = page.getByRole('region', { name: `${service} is connected` })
  const before = await connected.count()
  const link = page.getByRole('link', { name: `Connect ${service}` })
  const [popup] = await Promise.all([page.waitForEvent('popup'), link.click()])
  const closed = popup.waitForEvent('close')
  await popup.getByRole('button', { name: `Continue to ${service}` }).click()
  // Whoever is signed in at the service is not asked again who they are.
  const [name, allow] = [popup.getByLabel('Name'), popup.getByRole('button', { name: 'Allow' })]
  await name.or(allow).waitFor()
  if (await name.isVisible()) {
    await name.fill(account)
    await popup.getByRole('button', { name: 'Sign in' }).click()
  }
  await allow.click()
  await closed
  await connected.nth(before).waitFor()
}

function has(text: string, name: Name): boolean {
  const canaries = { mail: canaryOf('mail', `user_${name}`), calendar: canaryOf('calendar', `user_${name}`) }
  return secretsIn(text, canaries).length > 0
}

async function statusOf(url: string, headers: Record<string, string>): Promise<number> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} })
  const accept = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
  const response = await fetch(url, { method: 'POST', headers: { ...accept, ...headers }, body })
  await response.body?.cancel()
  return response.status
}

/** For a person to look at: only where a folder is named for it. */
async function savePictures(page: Page, name: string): Promise<void> {
  const folder = process.env['LATCHKEY_PICTURES']
  if (folder === undefined) return
  for (const colorScheme of ['light', 'dark'] as const) {
    for (const [size, width] of Object.entries({ wide: 1280, narrow: 380 })) {
      await page.emulateMedia({ colorScheme })
      await page.setViewportSize({ width, height: 760 })
      await page.screenshot({ path: `${folder}/chat-${name}-${size}-${colorScheme}.png` })
    }
  }
}
