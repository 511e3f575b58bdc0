import type { Browser, BrowserContext, Locator, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { consentAs, openBrowser, type Stack, startStack } from './fixtures/index.ts'

const MINUTE_MS = 60_000

describe.each([{ javaScriptEnabled: true }, { javaScriptEnabled: false }])(
  'the connect page in Chromium (%o)',
  (options) => {
    let stack: Stack
    let browser: Browser
    let context: BrowserContext
    let page: Page
    let complaints: string[]
    let foreignRequests: string[]
    let now = Date.now()

    beforeAll(async () => {
      stack = await startStack({ clock: () => now })
      browser = await openBrowser()
    })
    afterAll(async () => {
      await browser.close()
      await stack[Symbol.asyncDispose]()
    })
    beforeEach(async () => {
      context = await browser.newContext(options)
      page = await context.newPage()
      complaints = []
      foreignRequests = []
      const own = new Set([stack.gateway.url, stack.authorizationServer.issuer])
      page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
      page.on('pageerror', (error) => complaints.push(error.message))
      page.on('request', (request) => own.has(new URL(request.url()).origin) || foreignRequests.push(request.url()))
    })
    afterEach(async () => {
      await context.close()
      // What the content security policy stops would show here, and so would anything that comes from elsewhere.
    })

    async function signIn(decision: 'Allow' | 'Deny'): Promise<void> {
      await page.getByRole('button', { name: 'Continue to Acme Mail' }).click()
      await page.getByLabel('Name').fill('alice')
      await page.getByRole('button', { name: 'Sign in' }).click()
      await page.getByRole('button', { name: decision }).click()
    }

    const userOf = (name: string): string => `${name}-${options.javaScriptEnabled}`

    it('leads through the sign-in to the connected state when the person allows', async () => {
      await page.goto(await stack.linkFor(userOf('allow'), 'mail'))
      await expectToSee(page.getByRole('heading', { name: 'Connect Acme Mail to Demo app' }))
      await signIn('Allow')
      await expectToSee(page.getByRole('heading', { name: 'Acme Mail is connected' }))
      expect(page.url()).not.toMatch(/code=|state=/)
    })

    it('says that access was declined and offers to try again when the person denies', async () => {
      await page.goto(await stack.linkFor(userOf('deny'), 'mail'))
      await signIn('Deny')
      await expectToSee(page.getByText('Access was declined'))
      await page.getByRole('button', { name: 'Continue to Acme Mail' }).click()
      // Signed in already: the provider asks for nothing but consent.
      await page.getByRole('button', { name: 'Allow' }).click()
      await expectToSee(page.getByRole('heading', { name: 'Acme Mail is connected' }))
      expect(await page.title()).toBe('Acme Mail is connected')
    })

    it('says that the link has expired when its time is over', async () => {
      const link = await stack.linkFor(userOf('late'), 'mail')
      now += 11 * MINUTE_MS
      const response = await page.goto(link)
      expect(response?.status()).toBe(410)
      await expectToSee(page.getByRole('heading', { name: 'This link has expired' }))
      expect(await page.getByRole('button').count()).toBe(0)
    })

    it('refuses a wrong key without repeating it, and takes the right one', async () => {
      const user = userOf('key')
      await page.goto(await stack.linkFor(user, 'directory'))
      const field = page.getByLabel('Your Acme Directory API key')
      await field.fill('wrong-key-1234')
      await page.getByRole('button', { name: 'Connect Acme Directory' }).click()
      await expectToSee(page.getByText('does not accept this key'))
      expect(await page.content()).not.toContain('wrong-key-1234')
      await field.fill(stack.directory.keys.issue(user))
      await page.getByRole('button', { name: 'Connect Acme Directory' }).click()
      await expectToSee(page.getByRole('heading', { name: 'Acme Directory is connected' }))
    })

    it.runIf(options.javaScriptEnabled)(
      'shows by itself that the account is connected when that happened elsewhere',
      async () => {
        const link = await stack.linkFor('elsewhere', 'mail')
        await page.goto(link)
        await expectToSee(page.getByRole('button', { name: 'Continue to Acme Mail' }))
        await consentAs('elsewhere', link)
        await expectToSee(page.getByRole('heading', { name: 'Acme Mail is connected' }))
        expect(await page.title()).toBe('Acme Mail is connected')
      },
    )

    it('T7: comes with headers that keep it out of frames, caches and referrers when it is opened', async () => {
      const link = await stack.linkFor(userOf('frame'), 'mail')
      const response = await page.goto(link)
      expect(response?.headers()['content-security-policy']).toContain("frame-ancestors 'none'")
      expect(response?.headers()['referrer-policy']).toBe('no-referrer')
      expect(response?.headers()['cache-control']).toBe('no-store')
    })
  },
)

/** Waits until a person would see it. */
async function expectToSee(what: Locator): Promise<void> {
  await what.waitFor()
  expect(await what.isVisible()).toBe(true)
}
